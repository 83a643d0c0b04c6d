"""What is compared: every method, preset, ablation and baseline, as picture-making functions."""
