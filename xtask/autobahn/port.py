"""Port an installed autobahntestsuite 25.10.1 + autobahn 0.10.9 (both Python 2 era) to Python 3.

Run once by the python of the virtual environment they are in; it edits the two packages in place. `cargo xtask autobahn`
makes the environment and runs this. Python 3.10 to 3.12: it needs lib2to3, which 3.13 dropped.

Only what `wstest -m fuzzingclient` needs is ported. Meaning of the cases is kept by one rule: every
payload stays a *str whose code points are the octets* (Latin-1), exactly as a Python 2 str was, inside
the case files and in self.received / self.expected; it becomes bytes only at the boundary to
autobahn's protocol class (send*: str -> bytes, on*: bytes -> str). So the case files need no edit
beyond 2to3 and the few listed below. Each edit asserts how often it applies: another version of the
suite makes this script fail instead of half-porting it.
"""
import os, re, sysconfig, warnings
warnings.simplefilter("ignore")
from lib2to3.refactor import RefactoringTool, get_fixers_from_package

SP = sysconfig.get_paths()["purelib"]
ATS, AB = os.path.join(SP, "autobahntestsuite"), os.path.join(SP, "autobahn")

def rd(p): return open(p, encoding="utf-8", newline="").read().replace("\r\n", "\n")
def wr(p, s): open(p, "w", encoding="utf-8", newline="\n").write(s)

def sub(rel, old, new, count=1, base=ATS):
    p = os.path.join(base, rel); s = rd(p); n = s.count(old)
    assert n == count, f"{rel}: {old!r} found {n} times, expected {count}"
    wr(p, s.replace(old, new))

version = rd(os.path.join(ATS, "_version.py"))
assert "25.10.1" in version, version

# ---- 1. 2to3 over the files that fuzzingclient mode imports -----------------------------------------
keep = ["choosereactor.py", "wstest.py", "fuzzing.py", "caseset.py", "report.py", "spectemplate.py"]
files = [os.path.join(ATS, f) for f in keep]
files += sorted(os.path.join(ATS, "case", f) for f in os.listdir(os.path.join(ATS, "case")) if f.endswith(".py"))
# no 'unicode' fixer: it turns u"x" into "x" (harmless) but also unichr; both wanted. No 'dict'/'map' noise.
tool = RefactoringTool(get_fixers_from_package("lib2to3.fixes"), {}, explicit=None)
for f in files:
    s = rd(f)
    if not s.endswith("\n"):
        s += "\n"
    wr(f, str(tool.refactor_string(s, f)))

# ---- 2. helpers -------------------------------------------------------------------------------------
wr(os.path.join(ATS, "py3compat.py"), '''\
"""Latin-1 bridge: inside the suite a payload is a str of octets, on the wire it is bytes."""
import binascii as _binascii


def to_bytes(s):
   return s.encode("latin-1") if isinstance(s, str) else s


def to_str(b):
   return b.decode("latin-1") if isinstance(b, (bytes, bytearray)) else b


def b2a_hex(s):
   return _binascii.b2a_hex(to_bytes(s)).decode("ascii")


def text(s):
   """What Python 2's json.dumps and the HTML reports showed: octets read as UTF-8 where they are."""
   if isinstance(s, (bytes, bytearray)):
      return bytes(s).decode("utf-8", "backslashreplace")
   if isinstance(s, str):
      try:
         return s.encode("latin-1").decode("utf-8")
      except UnicodeError:
         pass
   return s
''')

# ---- 3. package, driver -----------------------------------------------------------------------------
wr(os.path.join(ATS, "__init__.py"), "from ._version import __version__\nversion = __version__\n")
p = os.path.join(ATS, "wstest.py"); s = rd(p)
for m in ("testee", "echo", "broadcast", "massconnect", "serializer"):   # other modes: not ported
    s, n = re.subn(rf"(?m)^from \. import {m}$", f"{m} = None", s); assert n == 1, m
wr(p, s)

# ---- 4. cases ---------------------------------------------------------------------------------------
C = os.path.join(ATS, "case")
n_hex = n_obj = 0
for f in sorted(os.listdir(C)):
    if not f.endswith(".py"):
        continue
    p = os.path.join(C, f); s = rd(p)
    # hex dumps of payloads
    k = s.count("binascii.b2a_hex(")
    if k:
        s, m = re.subn(r"(?m)^import binascii$", "import binascii\nfrom autobahntestsuite.py3compat import b2a_hex, to_bytes", s, count=1)
        assert m == 1, f
        s = s.replace("binascii.b2a_hex(", "b2a_hex("); n_hex += k
    # Case was an old-style class in Python 2, so generated classes listed (object, Case); no such order in 3
    k = len(re.findall(r"\(object, Case, ?\)", s)); n_obj += k
    s = re.sub(r"\(object, Case, ?\)", "(Case,)", s)
    wr(p, s)
assert n_hex >= 20 and n_obj == 6, (n_hex, n_obj)

# equality of the event lists: pickles depend on object identity (memo), values are what is meant
sub("case/case.py", "return pickle.dumps(obj1) == pickle.dumps(obj2)", "return obj1 == obj2")
# literals that a Python 2 file in UTF-8 held as octets
for rel, lit, k in (("case/case6_2_1.py", '"Hello-µ@ßöäüàá-UTF-8!!"', 1), ("case/case6_2_2.py", '"Hello-µ@ßöä"', 1),
                    ("case/case6_2_2.py", '"üàá-UTF-8!!"', 1), ("case/case6_2_3.py", '"Hello-µ@ßöäüàá-UTF-8!!"', 1)):
    sub(rel, "= " + lit, "= " + lit + '.encode("utf-8").decode("latin-1")', k)
sub("case/case6_x_x.py", "res = v.validate(vss[:i])", "res = v.validate(to_bytes(vss[:i]))")
sub("case/case10_1_1.py", "len(self.payload) / self.p.autoFragmentSize", "len(self.payload) // self.p.autoFragmentSize")
sub("case/case9_9_1.py", "from zope.interface import implements", "from zope.interface import implementer")
sub("case/case9_9_1.py", "class FrameProducer:\n\n   implements(interfaces.IPushProducer)\n", "@implementer(interfaces.IPushProducer)\nclass FrameProducer:\n")
# 12/13: hashes and slices work on octets
sub("case/case12_x_x.py", "      msg = ''\n", "      msg = payload[:0]\n")
sub("case/case12_x_x.py", "def onMessage(self, msg, binary):\n", "def onMessage(self, msg, binary):\n   msg = msg.encode('latin-1')\n")

# ---- 5. fuzzing.py ----------------------------------------------------------------------------------
F = "fuzzing.py"
sub(F, "from twisted.internet import reactor, ssl\n", "from twisted.internet import reactor\ntry:\n   from twisted.internet import ssl # needs pyOpenSSL; only for wss://\nexcept ImportError:\n   ssl = None\n")
sub(F, "from twisted.web.server import Site\nfrom twisted.web.static import File\n", "Site = File = None # fuzzingserver mode: not ported\n")
sub(F, "            self.contextFactory = ssl.ClientContextFactory()\n", "            self.contextFactory = ssl.ClientContextFactory() if ssl else None\n")
p = os.path.join(ATS, F); s = rd(p)
a, b = s.index("def binLogData("), s.index("class FuzzingProtocol")
s = s[:a] + '''\
from .py3compat import b2a_hex, to_bytes, to_str, text


def binLogData(data, maxlen = 64):
   ellipses = " ..."
   data = to_bytes(data)
   if len(data) > maxlen - len(ellipses):
      dd = b2a_hex(data[:maxlen]) + ellipses
   else:
      dd = b2a_hex(data)
   return dd



def asciiLogData(data, maxlen = 64, replace = False):
   ellipses = b" ..."
   data = to_bytes(data)
   try:
      if len(data) > maxlen - len(ellipses):
         dd = data[:maxlen] + ellipses
      else:
         dd = data
      return dd.decode('utf8', errors = 'replace' if replace else 'strict')
   except UnicodeError:
      return '0x' + binLogData(data, maxlen)



''' + s[b:]
wr(p, s)
# str -> bytes on the way out (the suite's mixin stands before autobahn's class in the MRO)
sub(F, "   def enableWirelog(self, enable):\n", '''\
   def sendFrame(self, opcode, payload = b'', *args, **kwargs):
      return super().sendFrame(opcode, to_bytes(payload), *args, **kwargs)

   def sendMessage(self, payload, *args, **kwargs):
      return super().sendMessage(to_bytes(payload), *args, **kwargs)

   def sendMessageFrame(self, payload, *args, **kwargs):
      return super().sendMessageFrame(to_bytes(payload), *args, **kwargs)

   def sendMessageFrameData(self, payload, *args, **kwargs):
      return super().sendMessageFrameData(to_bytes(payload), *args, **kwargs)

   def sendCloseFrame(self, code = None, reasonUtf8 = None, isReply = False):
      return super().sendCloseFrame(code, to_bytes(reasonUtf8), isReply)


   def enableWirelog(self, enable):
''')
# bytes -> str on the way in
sub(F, "         self.runCase.onPong(payload)\n", "         self.runCase.onPong(to_str(payload))\n")
sub(F, "         self.runCase.onMessage(msg, binary)\n", "         self.runCase.onMessage(to_str(msg), binary)\n")
sub(F, "         p = ''.join(payload)\n", "         p = b''.join(payload)\n")
s = rd(p); n = s.count("binascii.b2a_hex("); assert n == 3, n
wr(p, s.replace("binascii.b2a_hex(", "b2a_hex("))
# reports
for key in ("localCloseReason",):          # remoteCloseReason is decoded by autobahn already
    sub(F, f'"{key}": self.{key},', f'"{key}": text(self.{key}),')
sub(F, '"description": self.Case.DESCRIPTION,', '"description": text(self.Case.DESCRIPTION),')
sub(F, "'description': self.factory.CaseSet", "'description': self.factory.CaseSet")     # (server mode, as it was)
sub(F, '''"httpRequest": self.http_request_data if''', '''"httpRequest": text(self.http_request_data) if''')
sub(F, '''"httpResponse": self.http_response_data if''', '''"httpResponse": text(self.http_response_data) if''')
s = rd(p); n = s.count("report_filename), 'w')"); assert n == 4, n
s = s.replace("report_filename), 'w')", "report_filename), 'w', encoding = 'utf-8', errors = 'surrogatepass')")
n = s.count("c[1])).encode(\"utf-8\"))"); assert n == 1, n
s = s.replace("c[1])).encode(\"utf-8\"))", "c[1])))")
n = s.count("ll.encode('utf8')"); assert n == 1, n
s = s.replace("ll.encode('utf8')", "ll")
n = s.count("% CCase.DESCRIPTION)"); assert n == 1, n
s = s.replace("% CCase.DESCRIPTION)", "% text(CCase.DESCRIPTION))")
wr(p, s)

# ---- 6. autobahn 0.10.9: two spots on this path that Python 3 takes differently -------------------------
sub("websocket/protocol.py", "self.remoteCloseReason = reasonRaw.decode('utf8')", "self.remoteCloseReason = reasonRaw.decode('utf8', 'surrogatepass')", base=AB)
sub("websocket/protocol.py", "range(payload_len / len(payload))", "range(payload_len // len(payload))", base=AB)

for f in files:
    compile(rd(f), f, "exec")
print("ported:", ATS)
