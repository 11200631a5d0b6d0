"""What answers calls: upstreams on the network and llama.cpp on this machine."""
