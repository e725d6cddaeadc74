// Package segment keeps spans and log records: in a write-ahead log and a
// memory head while they are fresh, in sealed Parquet files from then on. It
// implements telemetry.Store.
//
// It owns the files' layout (docs/wire/telemetry-files.md) and is the only
// place that knows parquet-go. It must never import another door. See
// DESIGN.md for the way of a row and the invariants.
package segment
