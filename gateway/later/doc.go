// Package later keeps calls that failed, and makes them when the service that is
// called is there again: one after the other in the order in which they were
// kept, at least once, until they are too old. What is refused for good, or too
// old, is set aside as a dead letter until a person decides. Who keeps calls on
// the disk stands behind Store, who makes them behind Options.Deliver.
//
// It must never import another room, and neither listens nor dials.
package later
