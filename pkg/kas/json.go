// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// jsonParser makes nodes from a JSON file.
type jsonParser struct {
	*parser
	dec  *json.Decoder
	off  int // of the place that was last asked for
	line int
	col  int // in characters
}

// parseJSON reads a file that is one JSON value. The error is a *mistake.
func (p *parser) parseJSON() (*node, error) {
	if !utf8.Valid(p.data) {
		return nil, &mistake{p.span(1, 1, 1), "the file is not UTF-8", ""}
	}
	j := &jsonParser{parser: p, dec: json.NewDecoder(bytes.NewReader(p.data)), line: 1, col: 1}
	j.dec.UseNumber()
	n, err := j.value(0)
	if err != nil {
		return nil, j.syntax(err)
	}
	if _, err := j.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, &mistake{j.next(), "there is text after the JSON value", ""}
	}
	return n, nil
}

// syntax converts an error of the JSON module.
func (j *jsonParser) syntax(err error) error {
	var m *mistake
	if errors.As(err, &m) {
		return m
	}
	return &mistake{j.next(), "not JSON: " + strings.TrimPrefix(err.Error(), "json: "), ""}
}

// next returns the place of the next token.
func (j *jsonParser) next() finding.Span {
	to := int(j.dec.InputOffset())
	for to < len(j.data) && strings.IndexByte(" \t\r\n,:", j.data[to]) >= 0 {
		to++
	}
	for ; j.off < min(to, len(j.data)); j.off++ {
		switch b := j.data[j.off]; {
		case b == '\n':
			j.line, j.col = j.line+1, 1
		case utf8.RuneStart(b):
			j.col++
		}
	}
	return j.span(j.line, j.col, 1)
}

func (j *jsonParser) value(depth int) (*node, error) {
	n := &node{at: j.next()}
	if err := j.count(n.at, depth); err != nil {
		return nil, err
	}
	tok, err := j.dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := tok.(type) {
	case json.Delim:
		if v == '[' {
			n.kind = list
			return n, j.list(n, depth)
		}
		n.kind = mapping
		return n, j.object(n, depth)
	case nil:
		n.at.Len = len("null")
	case bool:
		n.kind, n.text = boolean, fmt.Sprint(v)
		n.at.Len = len(n.text)
	case json.Number:
		n.kind, n.text = integer, v.String()
		if strings.ContainsAny(n.text, ".eE") {
			n.kind = float
		}
		n.at.Len = len(n.text)
	case string:
		n.kind, n.text = text, v
		n.at.Len = utf8.RuneCountInString(v) + 2
	}
	return n, nil
}

func (j *jsonParser) list(n *node, depth int) error {
	for j.dec.More() {
		item, err := j.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := j.dec.Token()
	return err
}

func (j *jsonParser) object(n *node, depth int) error {
	for j.dec.More() {
		at := j.next()
		tok, err := j.dec.Token()
		if err != nil {
			return err
		}
		key, _ := tok.(string)
		at.Len = utf8.RuneCountInString(key) + 2
		v, err := j.value(depth + 1)
		if err != nil {
			return err
		}
		if n.put(pair{key, at, v}); len(n.pairs) > maxKeys {
			return tooManyKeys(n)
		}
	}
	_, err := j.dec.Token()
	return err
}
