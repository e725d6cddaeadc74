// Package kit is what a service of a plat system imports: it runs the service,
// reads its configuration, serves HTTP with health, time-outs and a graceful
// end, logs, traces, answers errors as RFC 9457 problems and calls neighbours.
// A program begins with [Main]:
//
//	func main() {
//		kit.Main("hello", func(s *kit.Service) error {
//			s.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
//				fmt.Fprintln(w, "hello")
//			})
//			return nil
//		})
//	}
//
// Everything that plat gives a process comes by environment variables; where
// they are missing, because no plat is around, the service starts all the same
// with the defaults that each method names. Events are in the package message
// below this one.
//
// The package holds no business logic, speaks only the wires that are written
// down in plat's documentation, and never imports plat itself.
package kit
