// Package gateway owns the data path: the entrances of a system from outside,
// and the loopback listeners through which its services call one another. It
// chooses routes and instances, passes requests on, keeps slow and hostile
// clients off, and tells what passed (access log, counters, Observe).
//
// It learns what exists by SetRoutes and SetUpstreams alone and asks nobody
// while a request is on its way. It must never import another room than plan
// and fault, nor any technology: everything here stands on net/http.
//
// DESIGN.md beside this file describes the way of a request and the
// invariants.
package gateway
