package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/plat-dev/plat/kit"
)

const (
	sendTimeout  = 15 * time.Second
	sendLast     = 3 * time.Second // of a mail under way when the service ends
	lease        = time.Minute     // after which another may try a mail, above sendTimeout
	idle         = 2 * time.Second // between looks into the outbox without a signal
	pauseFirst   = time.Second     // while the server is away
	pauseLongest = 15 * time.Second
	retryFirst   = 5 * time.Second // of a mail that the server refused for now
	retryLongest = time.Hour
	giveUpAfter  = 3 * 24 * time.Hour
)

// post sends what is in the outbox until ctx ends.
//
// A mail is sent at least once: it is claimed, sent, then marked. If this
// process dies after the server has answered 250 and before the mark is
// committed, the mail goes out a second time when its claim has run out, with
// the same Message-ID, by which the receiver can drop it. That is all that
// can double: an event that comes again finds its mail in the outbox.
func (s *service) post(ctx context.Context) error {
	pause := pauseFirst
	for ctx.Err() == nil {
		worked, err := s.sendNext(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			s.log.WarnContext(ctx, "mail waits", "error", err.Error(), "pause", pause.String())
			wait(ctx, nil, pause)
			pause = min(2*pause, pauseLongest)
		case !worked:
			wait(ctx, s.woken, idle)
		default:
			pause = pauseFirst
		}
	}
	return nil
}

func wait(ctx context.Context, signal <-chan struct{}, atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-signal:
	case <-timer.C:
	}
}

// sendNext sends one mail that is due. The error is for what is wrong with
// store or server, not with the mail.
func (s *service) sendNext(ctx context.Context) (worked bool, err error) {
	m, err := claim(ctx, s.db, now(), lease)
	if errors.Is(err, errNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ctx = kit.WithCorrelationID(ctx, m.Work) // the log tells what it belongs to
	msg, err := s.letters.message(m)
	if err == nil {
		err = s.send(ctx, msg)
	}
	ctx = context.WithoutCancel(ctx) // what was sent is marked, whatever ends
	switch away, ok := errors.AsType[*awayError](err); {
	case err == nil:
		m.Status, m.Error, m.Sent = Sent, "", now()
		s.log.InfoContext(ctx, "mail sent", "mail", m.ID, "kind", m.Kind, "customer", m.Customer, "attempts", m.Attempts)
		return true, finish(ctx, s.db, m, m.Sent)
	case ok:
		m.Attempts-- // it was not the mail's
		m.Error = away.Error()
		return true, errors.Join(away, finish(ctx, s.db, m, now()))
	}
	m.Error = strings.ReplaceAll(err.Error(), m.email, "the customer")
	retry := min(retryFirst<<min(m.Attempts-1, 16), retryLongest)
	if permanent(err) || time.Since(m.Created) > giveUpAfter {
		m.Status = Failed
		s.log.ErrorContext(ctx, "mail failed", "mail", m.ID, "kind", m.Kind, "customer", m.Customer, "attempts", m.Attempts, "error", m.Error)
	} else {
		s.log.WarnContext(ctx, "mail is tried again", "mail", m.ID, "attempts", m.Attempts, "in", retry.String(), "error", m.Error)
	}
	return true, finish(ctx, s.db, m, now().Add(retry))
}

// send hands the message to the server, in a connection of its own.
func (s *service) send(ctx context.Context, msg *mail.Msg) error {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(sendLast, cancel) })()
	return s.server.send(sending, msg)
}
