"""The engine `llm`: a chat model that learns by LoRA, whose answers are always legal."""
