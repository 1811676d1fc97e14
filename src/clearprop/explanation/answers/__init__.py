"""Answers: whose error it is, what moved a weight, how sensitive outputs are; each in parts that add up."""
