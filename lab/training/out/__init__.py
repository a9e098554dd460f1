"""What a run made, written as others read it: adapter, merged weights, GGUF, tokenizer, card. Training it is ``lab/training/worker``'s."""
