//go:build tools

// Package peer pins geth, the peer of the JSON-RPC and transfer benchmarks, by go.mod and go.sum.
package peer

import _ "github.com/ethereum/go-ethereum/cmd/geth"
