package ads

import (
	"strconv"

	"mazad/api/ads/openrtb"
	"mazad/api/ads/scan"

	"github.com/valyala/fasthttp"
)

const jsonType = "application/json"

// Codes of answers, in the numbering of the marketing API.
const (
	codeOK        = 0
	codePartial   = 20001
	codeInvalid   = 40002
	codeForbidden = 40001
	codeNotFound  = 40007
	codeTooLarge  = 40011
	codeOverload  = 40100
	codeNoKey     = 40105
	codeInternal  = 50000
)

// refuse answers {code, message}.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, status, code int, message string) {
	ctx.SetStatusCode(status)
	ctx.SetContentType(jsonType)
	body := append([]byte(nil), `{"code":`...)
	body = strconv.AppendInt(body, int64(code), 10)
	body = openrtb.AppendString(append(body, `,"message":`...), message)
	ctx.SetBody(append(body, '}'))
}

// overload answers 503 and says when to come back.
func (s *Server) overload(ctx *fasthttp.RequestCtx, what string) {
	s.refuse(ctx, fasthttp.StatusServiceUnavailable, codeOverload, what)
	ctx.Response.Header.Set("Retry-After", strconv.Itoa(int((s.limits.RetryAfter.Milliseconds()+999)/1000)))
}

// notStored answers 503 to what is not on disk, with the reason where it is known.
func (s *Server) notStored(ctx *fasthttp.RequestCtx, what string) {
	if s.cfg.Trouble != nil {
		if why := s.cfg.Trouble(); why != "" {
			what += ": " + why
		}
	}
	s.overload(ctx, what)
}

// fault answers 400 with the first fault of a document.
func (s *Server) fault(ctx *fasthttp.RequestCtx, f *scan.Fault) {
	ctx.SetStatusCode(fasthttp.StatusBadRequest)
	ctx.SetContentType(jsonType)
	body := append([]byte(nil), `{"code":`...)
	body = strconv.AppendInt(body, codeInvalid, 10)
	body = openrtb.AppendString(append(body, `,"message":`...), f.Error())
	body = appendFault(append(body, `,"errors":[{`...), f)
	body = append(body, `,"line":`...)
	body = strconv.AppendInt(body, int64(f.Line), 10)
	body = append(body, `,"column":`...)
	body = strconv.AppendInt(body, int64(f.Column), 10)
	ctx.SetBody(append(body, `}]}`...))
}

// appendFault appends the members of one element of errors.
func appendFault(dst []byte, f *scan.Fault) []byte {
	dst = openrtb.AppendString(append(dst, `"field":`...), f.Field())
	dst = openrtb.AppendString(append(dst, `,"code":`...), string(f.Code))
	dst = openrtb.AppendString(append(dst, `,"message":`...), f.Message)
	if f.Value != "" {
		dst = openrtb.AppendString(append(dst, `,"value":`...), f.Value)
	}
	if f.Limit != "" {
		dst = openrtb.AppendString(append(dst, `,"limit":`...), f.Limit)
	}
	return dst
}

// send answers with a JSON body, compressed when that was asked for and pays.
// The body is copied: it belongs to a scratch.
func (s *Server) send(ctx *fasthttp.RequestCtx, body []byte) {
	ctx.SetContentType(jsonType)
	if len(body) > s.limits.GzipAbove && ctx.Request.Header.HasAcceptEncoding("gzip") {
		ctx.Response.Header.Set("Content-Encoding", "gzip")
		ctx.Response.SetBodyRaw(fasthttp.AppendGzipBytesLevel(nil, body, fasthttp.CompressBestSpeed))
		return
	}
	ctx.SetBody(body)
}

// allow checks the method.
func (s *Server) allow(ctx *fasthttp.RequestCtx, method string) bool {
	if string(ctx.Method()) == method {
		return true
	}
	s.refuse(ctx, fasthttp.StatusMethodNotAllowed, codeInvalid, "use "+method)
	ctx.Response.Header.Set("Allow", method)
	return false
}
