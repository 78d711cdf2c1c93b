"""The engine `encoder`: a language model that reads text, with a head for each question, fine-tuned."""
