// Command main checks logs, proofs and checkpoints with golang.org/x/mod/sumdb/{note,tlog}, and makes
// some for the Rust side to check.
//
//	main log DIR VKEY SIZES...    verify the checkpoint, read the whole log through its tiles, and check its
//	                              consistency with the trees of the sizes given; prints size and root
//	main proof VKEY FILE...       verify inclusion proofs
//	main tree VKEY OLD NEW PROOF  verify a consistency proof between two checkpoints
//	main make BUNDLE OUT          from the entries in BUNDLE make keys, checkpoints and proofs
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func assert(ok bool, what string) {
	if !ok {
		fmt.Fprintln(os.Stderr, what)
		os.Exit(1)
	}
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	check(err)
	return data
}

func open(msg []byte, vkey string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	check(err)
	n, err := note.Open(msg, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(n.Text, "\n")
	assert(len(lines) == 4 && lines[0] == verifier.Name() && lines[3] == "", "not a checkpoint")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	hash, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: hash}
}

// folder reads tiles by the paths of C2SP tlog-tiles, which lack the height that tlog's paths have.
type folder struct{ dir string }

func (f folder) Height() int                         { return 8 }
func (f folder) SaveTiles(t []tlog.Tile, d [][]byte) {}
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range tiles {
		data, err := os.ReadFile(filepath.Join(f.dir, strings.Replace(t.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func records(bundle []byte) (out [][]byte) {
	for len(bundle) > 0 {
		n := int(binary.BigEndian.Uint16(bundle))
		out = append(out, bundle[2:2+n])
		bundle = bundle[2+n:]
	}
	return out
}

func checkLog(dir, vkey string, sizes []string) {
	tree := open(read(filepath.Join(dir, "checkpoint")), vkey)
	reader := tlog.TileHashReader(tree, folder{dir})
	hash, err := tlog.TreeHash(tree.N, reader)
	check(err)
	assert(hash == tree.Hash, "wrong root")
	for first := int64(0); first < tree.N; first += 256 {
		tile := tlog.Tile{H: 8, L: -1, N: first / 256, W: 256}
		if first+256 > tree.N {
			tile.W = int(tree.N - first)
		}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		for i, record := range records(read(filepath.Join(dir, path))) {
			n := first + int64(i)
			proof, err := tlog.ProveRecord(tree.N, n, reader)
			check(err)
			check(tlog.CheckRecord(proof, tree.N, tree.Hash, n, tlog.RecordHash(record)))
		}
	}
	for _, text := range sizes {
		size, err := strconv.ParseInt(text, 10, 64)
		check(err)
		old, err := tlog.TreeHash(size, reader)
		check(err)
		proof, err := tlog.ProveTree(tree.N, size, reader)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, size, old))
	}
	fmt.Println(tree.N, tree.Hash)
}

func hashes(lines []string) (out []tlog.Hash) {
	for _, line := range lines {
		h, err := tlog.ParseHash(line)
		check(err)
		out = append(out, h)
	}
	return out
}

func checkProof(vkey, file string) {
	parts := bytes.SplitN(read(file), []byte("\n\n"), 2)
	lines := strings.Split(string(parts[0]), "\n")
	assert(lines[0] == "c2sp.org/tlog-proof@v1", "not a proof")
	record, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	check(err)
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	check(err)
	tree := open(parts[1], vkey)
	check(tlog.CheckRecord(hashes(lines[3:]), tree.N, tree.Hash, index, tlog.RecordHash(record)))
}

func checkTree(vkey, oldFile, newFile, file string) {
	before, after := open(read(oldFile), vkey), open(read(newFile), vkey)
	lines := strings.Split(strings.TrimSuffix(string(read(file)), "\n"), "\n")
	check(tlog.CheckTree(hashes(lines[3:]), after.N, after.Hash, before.N, before.Hash))
}

func make_(bundle, out string) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "go.example/log")
	check(err)
	signer, err := note.NewSigner(skey)
	check(err)
	write := func(name, text string) { check(os.WriteFile(filepath.Join(out, name), []byte(text), 0o600)) }
	write("vkey", vkey)
	write("skey", skey)
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, i := range indexes {
			found = append(found, stored[i])
		}
		return found, nil
	})
	join := func(list []tlog.Hash) (text string) {
		for _, h := range list {
			text += h.String() + "\n"
		}
		return text
	}
	all := records(read(bundle))
	for i, record := range all {
		more, err := tlog.StoredHashes(int64(i), record, reader)
		check(err)
		stored = append(stored, more...)
		size := int64(i) + 1
		root, err := tlog.TreeHash(size, reader)
		check(err)
		text := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), size, root)
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		check(err)
		write(fmt.Sprintf("checkpoint.%d", size), string(signed))
		for _, n := range []int64{0, size / 2, size - 1} {
			proof, err := tlog.ProveRecord(size, n, reader)
			check(err)
			write(fmt.Sprintf("%d.%d.tlog-proof", n, size), fmt.Sprintf("c2sp.org/tlog-proof@v1\nextra %s\nindex %d\n%s\n%s",
				base64.StdEncoding.EncodeToString(all[n]), n, join(proof), signed))
		}
		for _, old := range []int64{1, size/2 + 1, size} {
			proof, err := tlog.ProveTree(size, old, reader)
			check(err)
			write(fmt.Sprintf("%d.%d.consistency", old, size), fmt.Sprintf("veraray-log-consistency/v1\nold %d\nnew %d\n%s", old, size, join(proof)))
		}
	}
}

func main() {
	a := os.Args[1:]
	switch {
	case len(a) >= 3 && a[0] == "log":
		checkLog(a[1], a[2], a[3:])
	case len(a) >= 3 && a[0] == "proof":
		for _, file := range a[2:] {
			checkProof(a[1], file)
		}
	case len(a) == 5 && a[0] == "tree":
		checkTree(a[1], a[2], a[3], a[4])
	case len(a) == 3 && a[0] == "make":
		make_(a[1], a[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: see the comment at the top")
		os.Exit(2)
	}
}
