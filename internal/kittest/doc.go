// Package kittest holds the tests of the kit against what its own module must
// not require: the event wire against a real nats-server with JetStream on
// disk, its spans with those of other libraries at plat's door of OTLP, and its
// services behind plat's listeners. It has no code of its own.
package kittest
