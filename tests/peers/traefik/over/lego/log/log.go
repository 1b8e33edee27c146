// Package log would be where an ACME client writes.
package log

import "log/slog"

// SetDefault takes the logger of a client that is not there.
func SetDefault(*slog.Logger) {}
