package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"

	"github.com/plat-dev/plat/kit"
	"github.com/plat-dev/plat/musiccorp/services/warehouse/stockv1"
	"github.com/plat-dev/plat/musiccorp/services/warehouse/stockv1/stockv1connect"
)

const (
	maxSKUs    = 100 // of one question
	maxSKU     = 20  // bytes of one
	maxMessage = 16 << 10
)

// serveRPC serves what api/stock.proto describes, on the port of the rest:
// by gRPC, and to whoever has only HTTP/1.1 by Connect and gRPC-Web. Trace,
// correlation ID and deadline are headers there as well, so the kit has them
// before a method is called.
func (s *service) serveRPC(mux *http.ServeMux) {
	mux.Handle(stockv1connect.NewStockServiceHandler(s, connect.WithReadMaxBytes(maxMessage), connect.WithInterceptors(connect.UnaryInterceptorFunc(s.code))))
}

// GetAvailability implements the method of api/stock.proto.
func (s *service) GetAvailability(ctx context.Context, in *stockv1.GetAvailabilityRequest) (*stockv1.GetAvailabilityResponse, error) {
	if n := len(in.Skus); n == 0 || n > maxSKUs {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("there are %d skus, expected from 1 to %d", n, maxSKUs))
	}
	for i, sku := range in.Skus {
		if len(sku) > maxSKU {
			return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("skus[%d] has %d bytes, expected at most %d", i, len(sku), maxSKU))
		}
	}
	stock, err := stockOf(ctx, s.db, in.Skus)
	if err != nil {
		return nil, err
	}
	out := &stockv1.GetAvailabilityResponse{Albums: make([]*stockv1.Availability, 0, len(stock))}
	for _, st := range stock {
		out.Albums = append(out.Albums, &stockv1.Availability{Sku: st.SKU, Available: int64(st.Available)})
	}
	return out, nil
}

// code gives each error a status code, as problem.go does over HTTP: causes
// go to the log and not to the client.
func (s *service) code(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		response, err := next(ctx, r)
		if err == nil {
			return response, nil
		}
		if _, ok := errors.AsType[*connect.Error](err); ok {
			return nil, err
		}
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return nil, connect.NewError(connect.CodeDeadlineExceeded, errors.New("the time that the caller gave is over"))
		case ctx.Err() != nil:
			return nil, connect.NewError(connect.CodeCanceled, errors.New("the call was cancelled"))
		}
		s.log.ErrorContext(ctx, "call failed", "procedure", r.Spec().Procedure, "error", err.Error())
		return nil, connect.NewError(connect.CodeInternal, errors.New("an unforeseen error, see the log under "+kit.CorrelationID(ctx)))
	}
}
