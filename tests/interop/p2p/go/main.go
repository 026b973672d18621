// interop-go INTEROP_PEER: go-libp2p against our port over TCP and QUIC (N12.1): connect, identify, ping, a request with our
// framing, notify, one gossip mesh. Exit 0 if all of it holds. `interop-go mesh ..`: a peer of the mixed mesh (mesh.go).
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

const (
	cons   = "/dmg/00000000/cons/1"
	status = "/dmg/00000000/status/1"
	wait   = 15 * time.Second
)

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "go-libp2p: "+format+"\n", args...)
	os.Exit(1)
}

func must(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

// Our peer: lines in, lines out.
type ours struct {
	in    io.Writer
	mutex sync.Mutex
	lines []string
}

// The first line that matches and has not been taken.
func (o *ours) line(pattern string) []string {
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		o.mutex.Lock()
		for i, line := range o.lines {
			if m := re.FindStringSubmatch(line); m != nil {
				o.lines = slices.Delete(o.lines, i, i+1)
				o.mutex.Unlock()
				return m
			}
		}
		o.mutex.Unlock()
	}
	fail("no line %s from our peer", pattern)
	return nil
}

func (o *ours) say(format string, args ...any) { fmt.Fprintf(o.in, format+"\n", args...) }

func frame(body string) []byte { return append(binary.AppendUvarint(nil, uint64(len(body))), body...) }

func readFrame(r *bufio.Reader) (string, error) {
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return "", err
	}
	body := make([]byte, size)
	_, err = io.ReadFull(r, body)
	return string(body), err
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "mesh" {
		mesh(os.Args[2:])
		return
	}
	if len(os.Args) != 2 {
		fail("usage: interop-go INTEROP_PEER | interop-go mesh ..")
	}
	cmd := exec.Command(os.Args[1], "6", "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(err, "stdin")
	out, err := cmd.StdoutPipe()
	must(err, "stdout")
	must(cmd.Start(), "start")
	defer func() { _ = cmd.Process.Kill() }()
	o := &ours{in: in}
	go func() {
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			o.mutex.Lock()
			o.lines = append(o.lines, scanner.Text())
			o.mutex.Unlock()
		}
	}()
	self := o.line(`^self (\S+)`)[1]
	tcp := o.line(`^LISTENING .*addr=(\S+/tcp/\S+)`)[1]
	quic := o.line(`^LISTENING .*addr=(\S+/quic-v1\S*)`)[1]
	for _, addr := range []string{tcp, quic} {
		check(o, self, addr)
	}
	o.say("quit")
	fmt.Println("go-libp2p: all of it holds")
}

func check(o *ours, self, addr string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	host, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"))
	must(err, "host")
	defer host.Close()
	notified := make(chan string, 256)
	host.SetStreamHandler(cons, func(s network.Stream) {
		r := bufio.NewReader(s)
		if hello, err := readFrame(r); err == nil {
			notified <- hello
		}
		_, _ = s.Write([]byte{0})
		for {
			body, err := readFrame(r)
			if err != nil {
				return
			}
			notified <- body
		}
	})
	msgID := func(m *pb.Message) string {
		h := sha256.New()
		h.Write([]byte("prefix"))
		h.Write(binary.AppendUvarint(nil, uint64(len(m.GetTopic()))))
		h.Write([]byte(m.GetTopic()))
		h.Write(m.GetData())
		return string(h.Sum(nil)[:20])
	}
	ps, err := pubsub.NewGossipSub(ctx, host, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(), pubsub.WithMessageIdFn(msgID))
	must(err, "gossipsub")
	topic, err := ps.Join("block")
	must(err, "join")
	sub, err := topic.Subscribe()
	must(err, "subscribe")

	info, err := peer.AddrInfoFromString(addr + "/p2p/" + self)
	must(err, "address")
	must(host.Connect(ctx, *info), "connect "+addr)
	conn := o.line(`^CONN_UP conn=(\d+) .*code=[13] .*peer=` + host.ID().String())[1]
	fmt.Println("connected:", addr)

	for end := time.Now().Add(wait); ; time.Sleep(10 * time.Millisecond) {
		protocols, _ := host.Peerstore().SupportsProtocols(info.ID, cons, status, "/meshsub/1.1.0")
		if len(protocols) == 3 {
			break
		}
		if time.Now().After(end) {
			fail("identify does not tell our protocols")
		}
	}
	o.line(`^IDENTIFIED conn=` + conn + ` .*protocol ` + cons + `\|`)
	fmt.Println("identified both ways")
	pong := <-ping.Ping(ctx, host, info.ID)
	must(pong.Error, "ping")
	o.line(`^RTT conn=` + conn)
	fmt.Println("pinged both ways")

	s, err := host.NewStream(ctx, info.ID, status)
	must(err, "stream")
	question := strings.Repeat("status of go ", 20)
	_, err = s.Write(frame(question))
	must(err, "write")
	must(s.CloseWrite(), "close")
	answer, err := io.ReadAll(s)
	must(err, "answer")
	want := slices.Concat([]byte{0}, frame(question), []byte{3}, frame("end"))
	if !bytes.Equal(answer, want) {
		fail("answer %q", answer)
	}
	fmt.Println("request answered in chunks")

	s, err = host.NewStream(ctx, info.ID, cons)
	must(err, "stream")
	_, err = s.Write(frame("hello of go"))
	must(err, "write")
	var accepted [1]byte
	_, err = io.ReadFull(s, accepted[:])
	must(err, "answer to a hello")
	if accepted[0] != 0 {
		fail("the hello was refused")
	}
	for i := range 100 {
		_, err = s.Write(frame(fmt.Sprintf("vote %d", i)))
		must(err, "write")
	}
	o.line(`^NOTIFY conn=` + conn + ` .*data=vote 99$`)
	must(s.Close(), "close")
	o.line(`^NOTIFY_DOWN conn=` + conn + ` .*code=0 `)
	o.say("open %s 0 hello of ours", conn)
	id := o.line(`^did open OK (\d+)`)[1]
	o.line(`^NOTIFY_UP .*code=1 id=` + id)
	for i := range 100 {
		o.say("send %s vote-%d", id, i)
	}
	for i := range 101 {
		body := <-notified
		if want := fmt.Sprintf("vote-%d", i-1); i > 0 && body != want {
			fail("frame %d is %q", i, body)
		}
	}
	fmt.Println("notify both ways")

	// A length not in its shortest form resets the stream.
	s, err = host.NewStream(ctx, info.ID, status)
	must(err, "stream")
	_, _ = s.Write([]byte{0x81, 0x00, 'x'})
	_ = s.CloseWrite()
	if rest, err := io.ReadAll(s); err == nil && len(rest) > 0 {
		fail("an answer to a senseless request: %q", rest)
	}
	fmt.Println("senseless request refused")

	for end := time.Now().Add(wait); !slices.Contains(topic.ListPeers(), info.ID); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			fail("our peer is not in go's topic")
		}
	}
	time.Sleep(time.Second) // a heartbeat makes the mesh
	// Told by two transports in a row: a message is new once.
	mark := fmt.Sprintf("A of go by %d", time.Now().UnixNano())
	must(topic.Publish(ctx, []byte(mark)), "publish")
	o.line(`^GOSSIP .*addr=block data=` + mark + `$`)
	got := map[string]bool{}
	for i := range 20 {
		o.say("publish block A-%s-%d", conn, i)
	}
	for len(got) < 20 {
		m, err := sub.Next(ctx)
		if err != nil {
			fail("%d of 20 messages came: %v", len(got), err)
		}
		if m.ReceivedFrom == host.ID() {
			continue
		}
		if got[string(m.Data)] {
			fail("%q came twice", m.Data)
		}
		got[string(m.Data)] = true
	}
	fmt.Println("gossip both ways in one mesh")
	if err := host.Network().ClosePeer(info.ID); err != nil && !errors.Is(err, network.ErrReset) {
		fail("close: %v", err)
	}
	// go closes its socket at once: where bytes are under way the kernel says reset, which is IO.
	o.line(`^CONN_DOWN conn=` + conn + ` .*code=[01] `)
	fmt.Println("closed:", addr)
}
