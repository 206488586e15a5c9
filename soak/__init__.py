"""`make soak`: long runs that must end as if nothing had happened.

`kills` kills whatever there is, at random moments, and then asks for each task what has become of it.
`steady` lets millions of tasks through, and asks whether memory, files and waiting times stay as they are.
"""
