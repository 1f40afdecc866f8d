package ads

import (
	"context"
	"encoding/hex"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mazad/api/ads/openrtb"
	"mazad/api/ads/scan"
	"mazad/audience"
	"mazad/audience/store"
	"mazad/targeting"

	"github.com/valyala/fasthttp"
)

// Limits of one batch of users.
const (
	maxUsers   = 1000
	maxDigests = 16 // of a kind, per user
)

// users answers POST /v1/users and DELETE /v1/users/{id}. Profiles belong to the
// operator: keys of advertisers are refused.
func (s *Server) users(ctx *fasthttp.RequestCtx) {
	if s.cfg.Users == nil {
		s.refuse(ctx, fasthttp.StatusNotFound, codeNotFound, "this node keeps no users")
		return
	}
	who, ok := s.authorize(ctx, KeyEvent, false)
	if !ok {
		return
	}
	if who.Advertiser != 0 {
		s.refuse(ctx, fasthttp.StatusForbidden, codeForbidden, "users are sent with the operator's key")
		return
	}
	if !s.ackGate.enter() {
		s.stats.shedBeacons.Add(1)
		s.overload(ctx, "too many batches are waiting")
		return
	}
	defer s.ackGate.leave()
	if len(ctx.Path()) > len(userPrefix) {
		s.forget(ctx)
		return
	}
	if s.allow(ctx, fasthttp.MethodPost) {
		s.upsert(ctx)
	}
}

func (s *Server) forget(ctx *fasthttp.RequestCtx) {
	if !s.allow(ctx, fasthttp.MethodDelete) {
		return
	}
	raw := string(ctx.URI().PathOriginal())
	user, err := url.PathUnescape(raw[min(len(userPrefix), len(raw)):])
	if err != nil || user == "" || len(user) > audience.MaxUserID {
		s.refuse(ctx, fasthttp.StatusBadRequest, codeInvalid, "a user id has 1 to 128 bytes")
		return
	}
	found, err := s.cfg.Users.Forget(s.beacons, []byte(user))
	switch {
	case err != nil:
		s.failed(ctx, "forgetting a user", err)
	case !found:
		s.refuse(ctx, fasthttp.StatusNotFound, codeNotFound, "no such user")
	default:
		s.send(ctx, []byte(`{"code":0,"message":"OK"}`))
	}
}

// failed answers what the disk refused; nothing of it was kept.
func (s *Server) failed(ctx *fasthttp.RequestCtx, what string, err error) {
	if s.cfg.Log != nil {
		s.cfg.Log.Error(what, "error", err.Error())
	}
	what += " failed, nothing was changed: try again"
	if errors.Is(err, syscall.ENOSPC) {
		what += ": the disk is full"
	}
	s.overload(ctx, what)
}

// upsert stores the users that are in order in one write and names the others.
func (s *Server) upsert(ctx *fasthttp.RequestCtx) {
	sc := s.take()
	defer s.give(sc)
	body, ok := s.body(ctx, sc, s.limits.EventsBytes)
	if !ok {
		return
	}
	d := userDecoder{now: s.clock.Now(), faults: []byte{}}
	if f := d.batch(body); f != nil {
		s.fault(ctx, f)
		return
	}
	if len(d.users) > 0 {
		// Not the beacons' short wait: half a batch of users helps nobody.
		wait, cancel := context.WithTimeout(s.beacons, 5*s.limits.BeaconWait)
		err := s.cfg.Users.Upsert(wait, d.users)
		cancel()
		if err != nil {
			s.failed(ctx, "storing users", err)
			return
		}
	}
	s.stats.usersIn.Add(uint64(len(d.users)))
	s.stats.usersRefused.Add(uint64(d.refused))
	code, message := codeOK, "OK"
	if d.refused > 0 {
		code, message = codePartial, "some users were refused"
	}
	out := append([]byte(nil), `{"code":`...)
	out = strconv.AppendInt(out, int64(code), 10)
	out = openrtb.AppendString(append(out, `,"message":`...), message)
	out = strconv.AppendInt(append(out, `,"accepted":`...), int64(len(d.users)), 10)
	out = strconv.AppendInt(append(out, `,"rejected":`...), int64(d.refused), 10)
	out = append(append(out, `,"errors":[`...), d.faults...)
	s.send(ctx, append(out, `]}`...))
}

// userDecoder reads an array of users.
type userDecoder struct {
	c       scan.Cursor
	now     time.Time
	users   []store.User
	refused int
	faults  []byte // elements of errors
}

func (d *userDecoder) batch(body []byte) *scan.Fault {
	c := &d.c
	c.Reset(body)
	n := 0
	c.Array()
	for ; c.Item(); n++ {
		if n == maxUsers {
			c.Many(maxUsers)
			break
		}
		from := c.Pos()
		if c.Skip(); c.Failed() {
			c.InItem(n)
			break
		}
		d.one(n, body[from:c.Pos()])
	}
	c.End()
	if n == 0 {
		c.FailAt("users", scan.Missing, "an array of at least one user")
	}
	if c.Failed() {
		return c.Fault()
	}
	return nil
}

// one reads a user with a cursor of its own, so that a fault stays inside it.
func (d *userDecoder) one(index int, raw []byte) {
	c := &scan.Cursor{}
	c.Reset(raw)
	u := store.User{}
	c.Object()
	for key, ok := c.Key(); ok; key, ok = c.Key() {
		d.member(c, key, &u)
		if c.Failed() {
			c.In(key)
		}
	}
	if u.ID == "" {
		c.FailAt("id", scan.Missing, "1 to 128 bytes")
	}
	if !c.Failed() {
		d.users = append(d.users, u)
		return
	}
	if d.refused++; d.refused > 1 {
		d.faults = append(d.faults, ',')
	}
	d.faults = strconv.AppendInt(append(d.faults, `{"index":`...), int64(index), 10)
	d.faults = append(appendFault(append(d.faults, ','), c.Fault()), '}')
}

func (d *userDecoder) member(c *scan.Cursor, key []byte, u *store.User) {
	switch string(key) {
	case "id":
		if u.ID = string(c.Str(audience.MaxUserID)); isContact(u.ID) {
			c.Fail(scan.Invalid, "your own id of the user, not an e-mail address or a phone number")
			c.Redact()
		}
	case "email", "phone", "phone_number", "device_id", "idfa", "gaid":
		// Not ignored like other unknown members: the sender would believe that
		// we take it, and go on sending it.
		c.Skip()
		c.Fail(scan.Invalid, "left out: it is taken only as a SHA-256, in email_sha256, phone_sha256 or device_sha256")
		c.Redact()
	case "email_sha256":
		u.Emails = digests(c)
	case "phone_sha256":
		u.Phones = digests(c)
	case "device_sha256":
		u.Devices = digests(c)
	case "age":
		u.Age = uint8(c.Int(0, audience.MaxAge))
	case "birth_year":
		u.Age = uint8(max(int64(d.now.Year())-c.Int(int64(d.now.Year())-audience.MaxAge, int64(d.now.Year()))-1, 1))
	case "gender":
		switch string(c.Str(maxWord)) {
		case "male", "GENDER_MALE":
			u.Gender = audience.GenderMale
		case "female", "GENDER_FEMALE":
			u.Gender = audience.GenderFemale
		case "unknown", "GENDER_UNLIMITED":
		default:
			c.Fail(scan.Unknown, "male, female or unknown")
		}
	case "language":
		l, err := targeting.ParseLanguage(text(c.Str(2)))
		if u.Language = audience.Language(l); err != nil {
			c.Fail(scan.Invalid, "two lower-case letters of ISO 639-1, as \"de\"")
		}
	case "consent":
		u.Consent = consentOf(c)
	case "interests":
		u.Interests = numbers(c, audience.MaxInterests)
	case "segments":
		u.Segments = numbers(c, audience.MaxSegments)
	default:
		c.Skip()
	}
}

// isContact reports what is an e-mail address or a phone number beyond doubt:
// such an id would be personal data in the clear wherever it goes.
func isContact(id string) bool {
	if digits, ok := strings.CutPrefix(id, "+"); ok {
		return len(digits) >= 8 && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
	}
	name, domain, ok := strings.Cut(id, "@")
	dot := strings.LastIndexByte(domain, '.')
	return ok && name != "" && dot > 0 && dot < len(domain)-2 && !strings.ContainsAny(domain, "@:/")
}

func consentOf(c *scan.Cursor) audience.Consent {
	switch string(c.Str(maxWord)) {
	case "granted":
		return audience.ConsentGranted
	case "denied":
		return audience.ConsentDenied
	case "unknown":
	default:
		c.Fail(scan.Unknown, "granted, denied or unknown")
	}
	return audience.ConsentUnknown
}

// digests reads one SHA-256 or a list of them. What is refused is not repeated:
// it may be what should have been hashed.
func digests(c *scan.Cursor) (all []store.Digest) {
	if c.Kind() != scan.Array {
		return append(all, digest(c))
	}
	c.Array()
	for i := 0; c.Item(); i++ {
		if i == maxDigests {
			c.Many(maxDigests)
			break
		}
		if all = append(all, digest(c)); c.Failed() {
			c.InItem(i)
		}
	}
	return all
}

func digest(c *scan.Cursor) (d store.Digest) {
	var raw []byte
	if c.Kind() == scan.String {
		raw = c.Str(4096)
	} else {
		c.Skip()
	}
	if n, err := hex.Decode(d[:], raw[:min(len(raw), 2*len(d))]); err != nil || n != len(d) || len(raw) != 2*len(d) {
		c.Fail(scan.Invalid, "a SHA-256 as 64 hexadecimal digits")
	}
	if c.Failed() {
		c.Redact()
	}
	return d
}

// numbers reads a list of positive numbers.
func numbers(c *scan.Cursor, limit int) (all []uint32) {
	c.Array()
	for i := 0; c.Item(); i++ {
		if i == limit {
			c.Many(limit)
			break
		}
		if all = append(all, uint32(c.Int(1, 1<<32-1))); c.Failed() {
			c.InItem(i)
		}
	}
	return all
}
