// Package message publishes and receives events (CloudEvents 1.0 over NATS
// JetStream) so that each has its effect exactly once: what a service
// publishes leaves through an outbox in the service's own database, and what
// it receives is recorded in an inbox there, each in the transaction of the
// change that belongs to it.
//
//	bus, err := message.Open(s, db)
//	…
//	bus.Subscribe("payment.taken", func(ctx context.Context, tx *sql.Tx, e message.Event) error {
//		p, err := message.Decode[PaymentTaken](e)
//		if err != nil {
//			return err
//		}
//		… change the database through tx …
//		next, err := message.New("order.paid", p.Order, OrderPaid{…})
//		if err != nil {
//			return err
//		}
//		return bus.Publish(ctx, tx, next)
//	})
//
// Which events a service may publish and receive is declared in its
// service.yaml; streams and consumers are made by plat. The package owns the
// tables plat_outbox and plat_inbox; it imports no database driver and never
// plat itself.
package message
