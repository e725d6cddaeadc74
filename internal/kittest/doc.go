// Package kittest holds the tests of the kit's event wire against a real
// nats-server with JetStream on disk: the kit's own module must not require a
// server. It has no code of its own.
package kittest
