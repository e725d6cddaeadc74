package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// maxAnswer is how much of a backend's answer is read.
const maxAnswer = 64 << 10

// httpSender sends by OTLP/HTTP with protobuf and gzip.
type httpSender struct {
	base    *url.URL
	headers map[string]string
	client  *http.Client
}

func newHTTPSender(base *url.URL, headers map[string]string) *httpSender {
	return &httpSender{base: base, headers: headers, client: &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the headers are for this backend alone
	}}
}

// Send posts one request.
func (h *httpSender) Send(ctx context.Context, s signal, raw []byte) ([]byte, error) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(raw)
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.base.JoinPath("v1", s.String()).String(), &zipped)
	if err != nil {
		return nil, err
	}
	for name, value := range h.headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", mediaProtobuf)
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("User-Agent", "plat")
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return answer, err
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return nil, &refusal{what: "answered " + resp.Status, again: true, after: retryAfter(resp.Header.Get("Retry-After"))}
	default:
		return nil, &refusal{what: "answered " + resp.Status}
	}
}

// retryAfter reads seconds or a date.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), int(forwardAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// Close gives the connections up.
func (h *httpSender) Close() error { h.client.CloseIdleConnections(); return nil }

// grpcSender sends by OTLP/gRPC with gzip.
type grpcSender struct {
	conn    *grpc.ClientConn
	headers metadata.MD
}

func newGRPCSender(base *url.URL, headers map[string]string) (*grpcSender, error) {
	if base.Path != "" && base.Path != "/" {
		return nil, errors.New("by gRPC, the URL to forward to has no path")
	}
	host, port := base.Host, "443"
	security := credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	if base.Scheme == "http" {
		port, security = "4317", insecure.NewCredentials()
	}
	if base.Port() == "" {
		host += ":" + port
	}
	conn, err := grpc.NewClient(host, grpc.WithTransportCredentials(security), grpc.WithDisableRetry(), grpc.WithUserAgent("plat"),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.UseCompressor("gzip"), grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return nil, err
	}
	return &grpcSender{conn, metadata.New(headers)}, nil
}

// Send calls the service of the signal.
func (g *grpcSender) Send(ctx context.Context, s signal, raw []byte) ([]byte, error) {
	var answer []byte
	err := g.conn.Invoke(metadata.NewOutgoingContext(ctx, g.headers), "/"+services[s]+"/Export", raw, &answer)
	if err == nil {
		return answer, nil
	}
	st := status.Convert(err)
	no := &refusal{what: fmt.Sprintf("answered %s: %s", st.Code(), st.Message())}
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			no.after = info.GetRetryDelay().AsDuration()
			no.again = true
		}
	}
	switch st.Code() {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		no.again = true
	case codes.ResourceExhausted: // only with RetryInfo
	default:
		no.again = false
	}
	return nil, no
}

// Close gives the connection up.
func (g *grpcSender) Close() error { return g.conn.Close() }
