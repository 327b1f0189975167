//! The engine's certificates, checked without the engine.
