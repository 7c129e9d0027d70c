//! tandem-signaling
