//go:build tools

// Package tools names the programs that are built here, so that go.mod and go.sum keep what they need.
package tools

import (
	_ "github.com/cometbft/cometbft/cmd/cometbft"
	_ "github.com/cometbft/cometbft/test/loadtime/cmd/load"
)
