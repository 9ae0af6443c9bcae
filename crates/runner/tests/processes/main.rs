//! Real processes, run through the public interface: what they get, what comes back, how they end.

#[cfg(test)]
mod ending;
#[cfg(test)]
mod environment;
#[cfg(test)]
mod output;
#[cfg(test)]
mod support;
