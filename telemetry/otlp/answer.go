package otlp

import (
	"encoding/json"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
)

// response is an Export…ServiceResponse in protobuf: empty, or telling of the
// partial success. It is the same for every signal.
func (o outcome) response() []byte {
	if o.rejected == 0 && o.message == "" {
		return nil
	}
	var partial []byte
	if o.rejected != 0 {
		partial = protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(o.rejected)) // #nosec G115 -- two's complement, as protobuf has it
	}
	if o.message != "" {
		partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), o.message)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
}

// responseJSON is the same in OTLP/JSON, in which each signal names what was
// rejected.
func (o outcome) responseJSON(s signal) []byte {
	if o.rejected == 0 && o.message == "" {
		return []byte("{}")
	}
	partial := map[string]string{}
	if o.rejected != 0 {
		partial[[...]string{"rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"}[s]] = strconv.FormatInt(o.rejected, 10)
	}
	if o.message != "" {
		partial["errorMessage"] = o.message
	}
	return marshal(map[string]any{"partialSuccess": partial})
}

// status is a google.rpc.Status in protobuf.
func (o outcome) status() []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(o.code()))
	return protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), o.message)
}

// statusJSON is the same in JSON.
func (o outcome) statusJSON() []byte {
	return marshal(struct {
		Code    codes.Code `json:"code"`
		Message string     `json:"message"`
	}{o.code(), o.message})
}

// code is the outcome in gRPC's words.
func (o outcome) code() codes.Code {
	switch o.kind {
	case taken:
		return codes.OK
	case malformed:
		return codes.InvalidArgument
	case tooLarge:
		return codes.ResourceExhausted
	case tooSlow:
		return codes.DeadlineExceeded
	case crowded, refused:
		return codes.Unavailable
	}
	return codes.Internal
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // of our own types: never
		return []byte("{}")
	}
	return b
}
