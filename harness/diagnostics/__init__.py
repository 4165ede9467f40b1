"""What is said of a teacher's answers: small functions of numpy arrays; each has its formula and its paper."""
