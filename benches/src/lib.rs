//! Benchmarks of netbuild beside its peers and the raw limit, each in one run. There are none yet.
