//! What takes a disk of its own, which only root can make.

mod full_disk;
mod power_cut;
mod survivors;
mod workload;
