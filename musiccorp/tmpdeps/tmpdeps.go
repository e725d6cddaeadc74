package tmpdeps
import (
_ "github.com/plat-dev/plat/kit"
_ "github.com/danielgtaylor/huma/v2/adapters/humago"
_ "modernc.org/sqlite"
_ "github.com/pressly/goose/v3"
_ "github.com/google/go-cmp/cmp"
_ "github.com/google/uuid"
_ "github.com/nats-io/nats.go/jetstream"
)
