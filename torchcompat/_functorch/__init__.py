"""What `functorch` of torch's wheel is made of, over `torch.func`."""
