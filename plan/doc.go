// Package plan holds what a team declares about its system: the file formats,
// loading, defaults, validation with positions, and what derives from it as
// pure functions. Every other room speaks in its types.
//
// It is pure: no sockets, processes, databases, clocks or randomness, and it
// reads files only through the fs.FS that it is given. It must never import
// another room.
package plan
