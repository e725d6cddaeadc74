package control

import (
	"context"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/gateway/later"
)

// queueBytes bounds what all kept calls hold on the disk.
const queueBytes = 1 << 30

// openLater opens what keeps calls that are done later.
// They wait until the plan is in force: see serve.
func (p *plane) openLater(ctx context.Context, _ part, _ *closers) error {
	pile, err := p.broker.OpenPile(ctx, "later", queueBytes)
	if err != nil {
		return err
	}
	if p.later, err = later.Open(ctx, later.Options{Store: pile, Deliver: p.gateway.Deliver, Log: p.log}); err != nil {
		return err
	}
	p.gateway.SetLater(p.later)
	return nil
}

// Queues tells how it stands with the calls that are done later.
func (p *plane) Queues() api.Queues {
	states, damaged := p.later.States()
	return api.Queues{Queues: retold[[]api.Queue](append([]later.State{}, states...)), Damaged: damaged}
}

// KeptCalls lists them.
func (p *plane) KeptCalls(dead bool) api.KeptCalls {
	return api.KeptCalls{Calls: retold[[]api.KeptCall](p.later.Letters(dead))}
}

// KeptCall opens one.
func (p *plane) KeptCall(ctx context.Context, id string) (api.KeptCallContent, error) {
	content, err := p.later.Show(ctx, id)
	return retold[api.KeptCallContent](content), err
}

// RetryKeptCall tries one at once.
func (p *plane) RetryKeptCall(ctx context.Context, id string) error { return p.later.Retry(ctx, id) }

// DropKeptCall removes one for good.
func (p *plane) DropKeptCall(ctx context.Context, id string) error { return p.later.Drop(ctx, id) }
