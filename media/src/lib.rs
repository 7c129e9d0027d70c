//! tandem-media
