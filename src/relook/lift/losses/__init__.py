"""Losses that pull a Gaussian scene's colours towards the look of one picture (StyleMe3D, Zhuang et al. 2025), and the descent on them.

Each loss looks at a rendered picture, which is a linear function of the colours (`relook.ops.splats.linear`); geometry never changes.
"""
