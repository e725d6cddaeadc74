package serve

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
)

// identified names one finding or one mail.
type identified struct {
	ID string `path:"id" maxLength:"128"`
}

func registerViews(a huma.API, v Viewer) {
	huma.Get(a, "/v1/map", func(ctx context.Context, _ *struct{}) (*body[api.Map], error) {
		return &body[api.Map]{v.Map(ctx)}, nil
	})
	huma.Get(a, "/v1/findings", func(ctx context.Context, in *struct {
		Unused string `query:"unused" maxLength:"32" doc:"how long a caller may be in use without a call that it declares, such as 10m; absent: 1h"`
	}) (*body[api.Findings], error) {
		var unused time.Duration
		if in.Unused != "" {
			var err error
			if unused, err = time.ParseDuration(in.Unused); err != nil || unused <= 0 {
				return nil, problem(fault.Newf(fault.BadArgument, "unused is a time such as 10m, not %q", in.Unused))
			}
		}
		return &body[api.Findings]{v.Findings(ctx, unused)}, nil
	})
	huma.Get(a, "/v1/findings/{id}", func(ctx context.Context, in *identified) (*body[api.Finding], error) {
		f, err := v.Why(ctx, in.ID)
		return &body[api.Finding]{f}, problem(err)
	})
	huma.Get(a, "/v1/services/{name}/description", func(ctx context.Context, in *named) (*body[api.Description], error) {
		d, err := v.Describe(ctx, in.Name)
		return &body[api.Description]{d}, problem(err)
	})
	huma.Get(a, "/v1/platform", func(context.Context, *struct{}) (*body[api.Platform], error) {
		return &body[api.Platform]{v.Platform()}, nil
	})
}

func registerMail(a huma.API, m Mailbox) {
	huma.Get(a, "/v1/mail", func(context.Context, *struct{}) (*body[api.Mailbox], error) {
		box, err := m.Mails()
		return &body[api.Mailbox]{box}, problem(err)
	})
	huma.Get(a, "/v1/mail/{id}", func(_ context.Context, in *identified) (*body[api.MailContent], error) {
		mail, err := m.Mail(in.ID)
		return &body[api.MailContent]{mail}, problem(err)
	})
	huma.Get(a, "/v1/mail/{id}/raw", func(_ context.Context, in *identified) (*document, error) {
		text, err := m.MailSource(in.ID)
		if err != nil {
			return nil, problem(err)
		}
		return &document{"message/rfc822", text}, nil
	})
	huma.Register(a, huma.Operation{OperationID: "clear-mail", Method: http.MethodDelete, Path: "/v1/mail", DefaultStatus: http.StatusNoContent}, func(context.Context, *struct{}) (*struct{}, error) {
		return nil, problem(m.ClearMail())
	})
}
