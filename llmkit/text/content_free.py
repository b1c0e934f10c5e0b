"""Texts that say nothing of what a model is asked: what it prefers after them is its prior (Zhao et al. 2021)."""

from __future__ import annotations

NEUTRAL_TEXTS = (
    "N/A",
    "[MASK]",
    "...",
    "null",
    "?",
    "The weather was mild for most of the week, and a little rain fell on Sunday night.",
    "How do I find out more about this, and whom should I ask?",
    "It was one of the best things that I have seen this year, although not everyone agreed.",
    "The company said on Monday that its new plan would begin next month.",
    "The team worked hard in the second half, but the result did not change.",
    "Researchers have found a new way to look at an old question.",
    "Leaders of the two countries will meet next week to talk about the agreement.",
    "I tried it twice and it still does not work. Can you help me?",
    "What is the name of the place where it happened?",
    "The book is too long, but the ending is worth the wait.",
    "Prices rose a little in March, after they had fallen for most of the winter.",
    "The new version is faster than the old one and can be downloaded for free.",
    "She opened the door, looked outside, and went back to her chair.",
    "Please let me know when it is done.",
    "Thanks for your message. I will write to you again tomorrow.",
    "Who was the first person to do it, and when?",
    "Add the rest of the water slowly, then let it stand for ten minutes.",
    "They were disappointed by the service and left early.",
    "The report describes how the two groups came to an agreement.",
    "There are three parts, and the second is the longest.",
    "The street was closed for two hours after the accident.",
    "He has been working on it since last summer.",
    "Everything arrived on time and looks just like the picture.",
    "Why does it take so long?",
)
"""Content-free inputs for labels: five empty ones, and everyday sentences of many fields."""
