// Package idempotency gives an unsafe route exactly one effect for each
// Idempotency-Key, by the rules of the IETF draft
// (draft-ietf-httpapi-idempotency-key-header): however often a client sends a
// request again, whichever instance it reaches, wherever a process died.
//
//	keys, err := idempotency.Open(s, db, idempotency.Options{})
//	…
//	s.Handle("POST /orders", keys.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		… ask neighbours, refuse what is wrong …
//		tx, err := idempotency.Begin(r.Context())
//		if err != nil {
//			kit.WriteProblem(w, r, kit.ProblemFrom(err))
//			return
//		}
//		… change the database through tx, publish events in it …
//		w.WriteHeader(http.StatusCreated)
//	})))
//
// The record of the key, the answer and the handler's changes are one
// transaction in the service's own database, which the package commits after
// the handler has returned and before a byte of the answer leaves. A process
// that dies before has done nothing; one that dies after leaves the answer
// behind, and the client's next attempt gets it. There are no leases to wait
// for.
//
// The package owns the table plat_idempotency; it imports no database driver
// and never plat itself.
package idempotency
