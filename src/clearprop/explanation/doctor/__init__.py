"""The doctor: what is wrong with a network and its training, the verdict first, then the evidence, then a fix."""
