"""OpenAI's API in front of one llama.cpp, in the process that runs it: what is asked, how it is decoded and told."""
