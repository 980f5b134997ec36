//! The derive macros of s3store.
