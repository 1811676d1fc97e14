"""A team's native code: how a piece of work is published, claimed chunk by chunk, and waited for.

Whoever publishes takes chunks too, and then waits only for those that a running worker has claimed. All that
a claim depends on is one word, the ticket: the number of the work and which of its chunks are unclaimed. A
claim is a compare-and-swap of the whole word, so nobody can claim a chunk of work that has passed. The publisher
claims from the front and workers from the back: what a chunk works on is mostly still in its processor's cache.

Where others take the processors, a worker may be stopped within a chunk. Then the publisher waits, and works
alone for some time after it, in proportion to its wait: it loses a small part of its time at most. What is left
of the work when that time is over is published after all.
"""

from __future__ import annotations

import functools
import platform
import sys
from collections.abc import Mapping
from string import Template

DISPATCH = 0  # where in the block is what: the address of the function that publishes work
STOP = 8  # whether the workers should return
SHUNNED = 16  # until when the publisher works alone, by the processor's counter
TICKET = 64  # number of the work * 2**32 + chunks that the publisher has claimed * 2**16 + unclaimed chunks
CHUNK, TABLE, EXTRA = 72, 80, 88  # the work: a function, and what it is called with
LEFT = 128  # chunks that are not finished
WAITING = 132  # whether the publisher sleeps until they are
ASLEEP = 192  # workers that sleep until there is work
BLOCK_BYTES = 256

MASK = 63  # where these bits of a worker's count of looks are zero, it offers the processor to others
WORKER_SPINS = 4096  # looks before a worker sleeps, some 0.2 ms
PUBLISHER_SPINS = 400  # looks for the end before the publisher sleeps, some 20 us
LATE = 2  # a worker is late that takes so many times longer than a chunk takes,
MANY = 4  # if the publisher has done so few or fewer; else half as long as all its chunks took: some are long
SHUN = 8  # how many times longer than it waited for late workers the publisher then works alone
FUTEX: Mapping[str, int] = {"x86_64": 202, "aarch64": 98}  # the numbers of Linux' system calls
YIELD: Mapping[str, int] = {"x86_64": 24, "aarch64": 124}
LEAST: Mapping[str, int] = {
    "x86_64": 100_000,
    "aarch64": 1000,
}  # ticks, some 30 us, that nobody is late by before
PAUSE: Mapping[str, str] = {"x86_64": "@llvm.x86.sse2.pause()", "aarch64": "@llvm.aarch64.hint(i32 1)"}


def supported() -> bool:
    """Whether there can be workers: they sleep and wake up as Linux lets them."""
    return sys.platform == "linux" and sys.maxsize > 2**32 and platform.machine() in FUTEX


@functools.cache
def team_text(machine: str) -> str:
    """Return the functions of a team, for "x86_64" or "aarch64".

    ``dispatch(ptr block, ptr chunk, ptr table, i64 chunks, i64 extra)`` calls
    ``chunk(ptr table, i64 number, i64 who, i64 extra)`` for every number below ``chunks``, from 1 to 65535, and returns
    when all are done; ``who`` is 0 for the caller and counts the workers from 1. ``worker(ptr block, i64 who)``
    returns after ``dismiss(ptr block)``.
    """
    tables: dict[str, Mapping[str, int | str]] = {
        "FUTEX": FUTEX,
        "YIELD": YIELD,
        "LEAST": LEAST,
        "PAUSE": PAUSE,
    }
    numbers = {
        "STOP": STOP,
        "SHUNNED": SHUNNED,
        "TICKET": TICKET,
        "CHUNK": CHUNK,
        "TABLE": TABLE,
        "EXTRA": EXTRA,
        "LEFT": LEFT,
        "WAITING": WAITING,
        "ASLEEP": ASLEEP,
        "MASK": MASK,
        "WORKER_SPINS": WORKER_SPINS,
        "PUBLISHER_SPINS": PUBLISHER_SPINS,
        "LATE": LATE,
        "MANY": MANY,
        "SHUN": SHUN,
    }
    return Template(_TEXT).substitute(numbers, **{name: table[machine] for name, table in tables.items()})


_TEXT = """
declare i64 @syscall(i64, ...)
declare void @llvm.x86.sse2.pause()
declare void @llvm.aarch64.hint(i32)
declare i64 @llvm.readcyclecounter()

define internal void @sleep(ptr %word, i32 %seen) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 128, i32 %seen, ptr null, ptr null, i32 0)
  ret void
}

define internal void @wake(ptr %word, i32 %most) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i32 129, i32 %most, ptr null, ptr null, i32 0)
  ret void
}

define internal i32 @claim(ptr %block, i64 %who) nounwind {
entry:
  %ticket = getelementptr i8, ptr %block, i64 $TICKET
  %chunk.place = getelementptr i8, ptr %block, i64 $CHUNK
  %table.place = getelementptr i8, ptr %block, i64 $TABLE
  %extra.place = getelementptr i8, ptr %block, i64 $EXTRA
  br label %look
look:
  %count = phi i32 [ 0, %entry ], [ %count, %try ], [ %more, %claimed ]
  %seen = load atomic i64, ptr %ticket acquire, align 8
  %unclaimed = and i64 %seen, 65535
  %none = icmp eq i64 %unclaimed, 0
  br i1 %none, label %out, label %try
try:
  %chunk = load atomic ptr, ptr %chunk.place monotonic, align 8
  %table = load atomic ptr, ptr %table.place monotonic, align 8
  %extra = load atomic i64, ptr %extra.place monotonic, align 8
  %publishes = icmp eq i64 %who, 0
  %change = select i1 %publishes, i64 65535, i64 -1
  %fewer = add i64 %seen, %change
  %swap = cmpxchg ptr %ticket, i64 %seen, i64 %fewer acq_rel monotonic, align 8
  %mine = extractvalue { i64, i1 } %swap, 1
  br i1 %mine, label %claimed, label %look
claimed:
  %both = and i64 %seen, 4294967295
  %front = lshr i64 %both, 16
  %end = add i64 %front, %unclaimed
  %back = sub i64 %end, 1
  %number = select i1 %publishes, i64 %front, i64 %back
  call void %chunk(ptr %table, i64 %number, i64 %who, i64 %extra)
  %more = add i32 %count, 1
  br label %look
out:
  ret i32 %count
}

define void @dispatch(ptr %block, ptr %chunk, ptr %table, i64 %chunks, i64 %extra) nounwind {
entry:
  %ticket = getelementptr i8, ptr %block, i64 $TICKET
  %chunk.place = getelementptr i8, ptr %block, i64 $CHUNK
  %table.place = getelementptr i8, ptr %block, i64 $TABLE
  %extra.place = getelementptr i8, ptr %block, i64 $EXTRA
  %left = getelementptr i8, ptr %block, i64 $LEFT
  %waiting = getelementptr i8, ptr %block, i64 $WAITING
  %asleep = getelementptr i8, ptr %block, i64 $ASLEEP
  %shunned = getelementptr i8, ptr %block, i64 $SHUNNED
  %begun = call i64 @llvm.readcyclecounter()
  %until = load i64, ptr %shunned, align 8
  %ahead = sub i64 %until, %begun
  %shun = icmp sgt i64 %ahead, 0
  br i1 %shun, label %alone, label %publish
alone:
  %n = phi i64 [ %chunks, %entry ], [ %n.next, %watch ]
  %n.next = sub i64 %n, 1
  call void %chunk(ptr %table, i64 %n.next, i64 0, i64 %extra)
  %alone.more = icmp ne i64 %n.next, 0
  br i1 %alone.more, label %watch, label %out
watch:
  %present = call i64 @llvm.readcyclecounter()
  %remains = sub i64 %until, %present
  %shun.on = icmp sgt i64 %remains, 0
  br i1 %shun.on, label %alone, label %publish
publish:
  %since = phi i64 [ %begun, %entry ], [ %present, %watch ]
  %open = phi i64 [ %chunks, %entry ], [ %n.next, %watch ]
  store atomic ptr %chunk, ptr %chunk.place monotonic, align 8
  store atomic ptr %table, ptr %table.place monotonic, align 8
  store atomic i64 %extra, ptr %extra.place monotonic, align 8
  %all = trunc i64 %open to i32
  store atomic i32 %all, ptr %left monotonic, align 4
  %before = load atomic i64, ptr %ticket monotonic, align 8
  %number = and i64 %before, -4294967296
  %following = add i64 %number, 4294967296
  %new = or i64 %following, %open
  %was = atomicrmw xchg ptr %ticket, i64 %new seq_cst, align 8
  %sleepers = load atomic i32, ptr %asleep seq_cst, align 4
  %any = icmp ne i32 %sleepers, 0
  br i1 %any, label %rouse, label %work
rouse:
  %word = getelementptr i8, ptr %ticket, i64 4
  call void @wake(ptr %word, i32 2147483647)
  br label %work
work:
  %own = call i32 @claim(ptr %block, i64 0)
  %claimed = call i64 @llvm.readcyclecounter()
  %rest = atomicrmw sub ptr %left, i32 %own seq_cst, align 4
  %done = icmp eq i32 %rest, %own
  br i1 %done, label %out, label %spin
spin:
  %i = phi i32 [ 0, %work ], [ %i.next, %again ]
  %now = load atomic i32, ptr %left acquire, align 4
  %finished = icmp eq i32 %now, 0
  br i1 %finished, label %out, label %again
again:
  call void $PAUSE
  %i.next = add i32 %i, 1
  %patient = icmp ult i32 %i.next, $PUBLISHER_SPINS
  br i1 %patient, label %spin, label %rest.begin
rest.begin:
  store atomic i32 1, ptr %waiting seq_cst, align 4
  br label %rest.look
rest.look:
  %still = load atomic i32, ptr %left seq_cst, align 4
  %over = icmp eq i32 %still, 0
  br i1 %over, label %rest.end, label %rest.sleep
rest.sleep:
  call void @sleep(ptr %left, i32 %still)
  br label %rest.look
rest.end:
  store atomic i32 0, ptr %waiting monotonic, align 4
  %ended = call i64 @llvm.readcyclecounter()
  %waited = sub i64 %ended, %claimed
  %worked = sub i64 %claimed, %since
  %usual = mul i64 %worked, $LATE
  %few = icmp ult i32 %own, $MANY
  %counted = select i1 %few, i32 %own, i32 $MANY
  %share = zext i32 %counted to i64
  %compared = mul i64 %waited, %share
  %slow = icmp sgt i64 %compared, %usual
  %long.enough = icmp sgt i64 %waited, $LEAST
  %late = and i1 %slow, %long.enough
  br i1 %late, label %punish, label %out
punish:
  %long = mul i64 %waited, $SHUN
  %release = add i64 %ended, %long
  store i64 %release, ptr %shunned, align 8
  br label %out
out:
  ret void
}

define void @worker(ptr %block, i64 %who) nounwind {
entry:
  %stop = getelementptr i8, ptr %block, i64 $STOP
  %ticket = getelementptr i8, ptr %block, i64 $TICKET
  %word = getelementptr i8, ptr %ticket, i64 4
  %left = getelementptr i8, ptr %block, i64 $LEFT
  %waiting = getelementptr i8, ptr %block, i64 $WAITING
  %asleep = getelementptr i8, ptr %block, i64 $ASLEEP
  br label %work
work:
  %own = call i32 @claim(ptr %block, i64 %who)
  %idle = icmp eq i32 %own, 0
  br i1 %idle, label %spin, label %report
report:
  %rest = atomicrmw sub ptr %left, i32 %own seq_cst, align 4
  %last = icmp eq i32 %rest, %own
  br i1 %last, label %check, label %spin
check:
  %expected = load atomic i32, ptr %waiting seq_cst, align 4
  %sleeps = icmp ne i32 %expected, 0
  br i1 %sleeps, label %tell, label %spin
tell:
  call void @wake(ptr %left, i32 1)
  br label %spin
spin:
  %i = phi i32 [ 0, %work ], [ 0, %report ], [ 0, %check ], [ 0, %tell ], [ %i.next, %again ], [ %i.next, %yield ]
  %now = load atomic i64, ptr %ticket monotonic, align 8
  %unclaimed = and i64 %now, 65535
  %found = icmp ne i64 %unclaimed, 0
  br i1 %found, label %work, label %again
again:
  call void $PAUSE
  %i.next = add i32 %i, 1
  %turn = and i32 %i.next, $MASK
  %offer = icmp eq i32 %turn, 0
  br i1 %offer, label %yield, label %spin
yield:
  %r = call i64 (i64, ...) @syscall(i64 $YIELD)
  %patient = icmp ult i32 %i.next, $WORKER_SPINS
  br i1 %patient, label %spin, label %tired
tired:
  %before = atomicrmw add ptr %asleep, i32 1 seq_cst, align 4
  %seen = load atomic i64, ptr %ticket seq_cst, align 8
  %waits = and i64 %seen, 65535
  %late = icmp ne i64 %waits, 0
  br i1 %late, label %awake, label %ask
ask:
  %dismissed = load atomic i64, ptr %stop seq_cst, align 8
  %over = icmp ne i64 %dismissed, 0
  br i1 %over, label %out, label %rest.sleep
rest.sleep:
  %high = lshr i64 %seen, 32
  %number = trunc i64 %high to i32
  call void @sleep(ptr %word, i32 %number)
  br label %awake
awake:
  %after = atomicrmw sub ptr %asleep, i32 1 monotonic, align 4
  br label %work
out:
  ret void
}

define void @dismiss(ptr %block) nounwind {
  %stop = getelementptr i8, ptr %block, i64 $STOP
  %ticket = getelementptr i8, ptr %block, i64 $TICKET
  %word = getelementptr i8, ptr %ticket, i64 4
  store atomic i64 1, ptr %stop seq_cst, align 8
  %was = atomicrmw add ptr %ticket, i64 4294967296 seq_cst, align 8
  call void @wake(ptr %word, i32 2147483647)
  ret void
}
"""
