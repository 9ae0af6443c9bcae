use std::process::ExitCode;

/// Returns freed memory to the system. glibc's allocator keeps most of it after a burst of large bodies.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    gateway::cli::main()
}
