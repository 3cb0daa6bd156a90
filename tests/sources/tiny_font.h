// Generated TrueType font with outlines whose pixels are known: 1,000 units to the em,
// ascent 800, descent 200, rectangles only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace valley::tiny_font {

struct Glyph {
  std::uint16_t codepoint;
  bool has_outline;
  std::int16_t left, bottom, right, top;  // font units
};

inline const std::vector<Glyph> kGlyphs{
    {0x41, true, 100, 0, 500, 400},    // A: a square on the baseline
    {0x42, true, 0, -200, 400, 200},   // B: reaches down to the descent
    {0x43, true, 0, 0, 300, 1200},     // C: taller than the ascent
    {0x20, false, 0, 0, 0, 0},         // a space
    {0x58, true, 0, 0, 32000, 32000},  // X: larger than the limit
};

class Table {
 public:
  Table& u16(int value) {
    bytes += static_cast<char>(value >> 8 & 0xFF);
    bytes += static_cast<char>(value & 0xFF);
    return *this;
  }
  Table& u32(std::uint32_t value) {
    return u16(static_cast<int>(value >> 16U)).u16(static_cast<int>(value & 0xFFFFU));
  }
  std::string bytes;
};

inline std::string outline(const Glyph& g) {
  Table t;
  t.u16(1).u16(g.left).u16(g.bottom).u16(g.right).u16(g.top);
  t.u16(3).u16(0);                    // last point of the contour; no instructions
  t.bytes += std::string(4, '\x01');  // four points on the curve
  for (const int dx : {int{g.left}, 0, g.right - g.left, 0}) t.u16(dx);
  for (const int dy : {int{g.bottom}, g.top - g.bottom, 0, g.bottom - g.top}) t.u16(dy);
  return t.bytes;
}

inline Table cmap_table() {
  Table t;
  t.u16(0).u16(1).u16(3).u16(1).u32(12);  // one subtable: Windows, Unicode
  const int segments = static_cast<int>(kGlyphs.size()) + 1;
  t.u16(4).u16(16 + 8 * segments).u16(0).u16(2 * segments).u16(0).u16(0).u16(0);
  // Segments are sorted by their end: the space comes first.
  std::vector<std::size_t> order{3, 0, 1, 2, 4};
  for (const std::size_t i : order) t.u16(kGlyphs[i].codepoint);
  t.u16(0xFFFF).u16(0);
  for (const std::size_t i : order) t.u16(kGlyphs[i].codepoint);
  t.u16(0xFFFF);
  for (const std::size_t i : order) t.u16(static_cast<int>(i) + 1 - kGlyphs[i].codepoint);
  t.u16(1);
  for (int i = 0; i < segments; ++i) t.u16(0);
  return t;
}

// The bytes of the font. Glyph 0 has an outline too: it is drawn for missing glyphs.
inline std::string bytes() {
  const int count = static_cast<int>(kGlyphs.size()) + 1;
  Table glyf, loca, hmtx;
  glyf.bytes = outline({0, true, 0, 0, 700, 700});
  loca.u32(0).u32(static_cast<std::uint32_t>(glyf.bytes.size()));
  hmtx.u16(700).u16(0);
  for (const Glyph& g : kGlyphs) {
    if (g.has_outline) glyf.bytes += outline(g);
    loca.u32(static_cast<std::uint32_t>(glyf.bytes.size()));
    hmtx.u16(600).u16(g.left);
  }
  Table head, hhea, maxp;
  head.u32(0x00010000).u32(0x00010000).u32(0).u32(0x5F0F3CF5).u16(0).u16(1000);
  head.u32(0).u32(0).u32(0).u32(0).u16(0).u16(-200).u16(700).u16(1200);
  head.u16(0).u16(8).u16(2).u16(1).u16(0);  // loca has 32-bit offsets
  hhea.u32(0x00010000).u16(800).u16(-200).u16(0).u16(700);
  for (int i = 0; i < 11; ++i) hhea.u16(0);
  hhea.u16(0).u16(count);
  maxp.u32(0x00010000).u16(count).u16(4).u16(1);
  for (int i = 0; i < 11; ++i) maxp.u16(0);
  const std::vector<std::pair<std::string, std::string>> tables{
      {"cmap", cmap_table().bytes}, {"glyf", glyf.bytes}, {"head", head.bytes},
      {"hhea", hhea.bytes},         {"hmtx", hmtx.bytes}, {"loca", loca.bytes},
      {"maxp", maxp.bytes}};
  Table file;
  file.u32(0x00010000).u16(static_cast<int>(tables.size())).u16(64).u16(2).u16(48);
  std::string body;
  const std::size_t start = 12 + 16 * tables.size();
  for (const auto& [tag, data] : tables) {
    file.bytes += tag;
    file.u32(0).u32(static_cast<std::uint32_t>(start + body.size()));
    file.u32(static_cast<std::uint32_t>(data.size()));
    body += data;
    body.resize((body.size() + 3) / 4 * 4);
  }
  return file.bytes + body;
}

}  // namespace valley::tiny_font
