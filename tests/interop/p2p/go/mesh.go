package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
)

// A peer of the mixed mesh: lines in, lines out, as interop_node.c tells, and of the wire besides
//
//	id PEER HEX        PEER said IDONTWANT of this message id
//	proto PEER ID      the version of gossipsub we talk to PEER with
//	tx HEX NAME        with the message id
//	status PEER        was asked, and answered as one at genesis
//	bad PEER           sent a batch that is none, or holds what begins with X
//
// NET8 names the chain; of VERSION (1.1 to 1.3) and older ones the peer speaks all.
type meshPeer struct {
	mutex sync.Mutex
	mesh  map[peer.ID]bool
	topic string
	self  peer.ID
}

func (m *meshPeer) say(format string, args ...any) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	fmt.Printf(format+"\n", args...)
}

// H("dmg/net/gossip/v1", uv|topic| topic data), 20 bytes of it (N7.2).
func messageID(m *pb.Message) string {
	tag := sha256.Sum256([]byte("dmg/net/gossip/v1"))
	h := sha256.New()
	h.Write(tag[:])
	h.Write(tag[:])
	h.Write(binary.AppendUvarint(nil, uint64(len(m.GetTopic()))))
	h.Write([]byte(m.GetTopic()))
	h.Write(m.GetData())
	return string(h.Sum(nil)[:20])
}

// The transactions of a batch: list<1..512> of bytes<65536>, each length in its shortest form; nil: it is none.
func batch(data []byte) [][]byte {
	number := func() (int, bool) {
		value, n := binary.Uvarint(data)
		if n <= 0 || value > 65536 || (n > 1 && data[n-1] == 0) {
			return 0, false
		}
		data = data[n:]
		return int(value), true
	}
	count, ok := number()
	if !ok || count < 1 || count > 512 {
		return nil
	}
	var txs [][]byte
	for range count {
		size, ok := number()
		if !ok || size < 1 || size > len(data) {
			return nil
		}
		txs = append(txs, data[:size])
		data = data[size:]
	}
	if len(data) > 0 {
		return nil
	}
	return txs
}

func (m *meshPeer) judge(_ context.Context, from peer.ID, message *pubsub.Message) pubsub.ValidationResult {
	if from == m.self {
		return pubsub.ValidationAccept
	}
	txs := batch(message.Data)
	isBad := txs == nil
	for _, tx := range txs {
		isBad = isBad || tx[0] == 'X'
	}
	if isBad {
		m.say("bad %s", from)
		return pubsub.ValidationReject
	}
	return pubsub.ValidationAccept
}

func mesh(args []string) {
	if len(args) != 2 {
		fail("usage: interop-go mesh VERSION NET8")
	}
	ctx := context.Background()
	host, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	must(err, "host")
	m := &meshPeer{mesh: map[peer.ID]bool{}, topic: "/dmg/" + args[1] + "/tx/1", self: host.ID()}

	host.SetStreamHandler(protocol.ID("/dmg/"+args[1]+"/status/1"), func(s network.Stream) {
		defer s.Close()
		question, err := readFrame(bufio.NewReader(s))
		if err != nil || len(question) != 215 {
			m.say("failed status of %d bytes", len(question))
			return
		}
		_, _ = io.WriteString(s, "\x00"+string(frame(question))) // we, too, are at genesis
		m.say("status %s", s.Conn().RemotePeer())
	})

	protocols := []protocol.ID{pubsub.GossipSubID_v13, pubsub.GossipSubID_v12, pubsub.GossipSubID_v11, pubsub.GossipSubID_v10}
	for len(protocols) > 0 && !strings.Contains(string(protocols[0]), "/"+args[0]+".") {
		protocols = protocols[1:]
	}
	ps, err := pubsub.NewGossipSub(ctx, host,
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(), pubsub.WithMessageIdFn(messageID),
		pubsub.WithGossipSubProtocols(protocols, pubsub.GossipSubDefaultFeatures),
		pubsub.WithRawTracer(m), pubsub.WithAppSpecificRpcInspector(m.inspect))
	must(err, "gossipsub")
	must(ps.RegisterTopicValidator(m.topic, m.judge), "validator")
	topic, err := ps.Join(m.topic)
	must(err, "join")
	sub, err := topic.Subscribe(pubsub.WithBufferSize(4096))
	must(err, "subscribe")
	go func() {
		for {
			message, err := sub.Next(ctx)
			must(err, "next")
			if message.ReceivedFrom == host.ID() {
				continue
			}
			for _, tx := range batch(message.Data) {
				name, _, _ := strings.Cut(string(tx), " ")
				m.say("tx %x %s", messageID(message.Message), name)
			}
		}
	}()
	m.say("self %s", host.ID())
	m.say("listen %s", host.Addrs()[0])

	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		word := strings.Fields(lines.Text())
		switch {
		case len(word) == 1 && word[0] == "quit":
			return
		case len(word) == 1 && word[0] == "report":
			m.mutex.Lock()
			for id := range m.mesh {
				fmt.Printf("mesh %s %s\n", m.topic, id)
			}
			m.mutex.Unlock()
			m.say("done")
		case len(word) == 3 && word[0] == "dial":
			id, err := peer.Decode(word[1])
			must(err, "peer")
			addr, err := ma.NewMultiaddr(word[2])
			must(err, "address")
			must(host.Connect(ctx, peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{addr}}), "connect")
		case len(word) == 3 && word[0] == "tx":
			size, err := strconv.Atoi(word[2])
			must(err, "size")
			tx := append([]byte(word[1]), bytes.Repeat([]byte{' '}, size-len(word[1]))...)
			must(topic.Publish(ctx, append(append([]byte{1}, binary.AppendUvarint(nil, uint64(size))...), tx...)), "publish")
		default:
			fail("no such line: %s", lines.Text())
		}
	}
}

// The ids that others put on the wire.
func (m *meshPeer) inspect(from peer.ID, rpc *pubsub.RPC) error {
	for _, one := range rpc.GetControl().GetIdontwant() {
		for _, id := range one.GetMessageIDs() {
			m.say("id %s %s", from, hex.EncodeToString([]byte(id)))
		}
	}
	return nil
}

func (m *meshPeer) OnNewOutboundStream(id peer.ID, proto protocol.ID) {
	m.say("proto %s %s", id, proto)
}
func (m *meshPeer) OnClosedOutboundStream(peer.ID) {}
func (m *meshPeer) Join(string)                    {}
func (m *meshPeer) Leave(string)                   {}
func (m *meshPeer) Graft(id peer.ID, _ string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.mesh[id] = true
}
func (m *meshPeer) Prune(id peer.ID, _ string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.mesh, id)
}
func (m *meshPeer) ValidateMessage(*pubsub.Message)       {}
func (m *meshPeer) DeliverMessage(*pubsub.Message)        {}
func (m *meshPeer) RejectMessage(*pubsub.Message, string) {}
func (m *meshPeer) DuplicateMessage(*pubsub.Message)      {}
func (m *meshPeer) ThrottlePeer(peer.ID)                  {}
func (m *meshPeer) RecvRPC(*pubsub.RPC)                   {}
func (m *meshPeer) SendRPC(*pubsub.RPC, peer.ID)          {}
func (m *meshPeer) DropRPC(*pubsub.RPC, peer.ID)          {}
func (m *meshPeer) UndeliverableMessage(*pubsub.Message)  {}
