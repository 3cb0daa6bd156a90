// fmt, compiled: as headers alone it took half of the time of every file that formats a line.
// Compiled in two places, as LibTorch's include folder brings another version than the system;
// their inline namespaces keep them apart.
#undef FMT_HEADER_ONLY
#include <fmt/format-inl.h>

FMT_BEGIN_NAMESPACE
namespace detail {
// Templates that fmt's headers declare as instantiated elsewhere.
template auto dragonbox::to_decimal(float value) noexcept -> dragonbox::decimal_fp<float>;
template auto dragonbox::to_decimal(double value) noexcept -> dragonbox::decimal_fp<double>;
template auto thousands_sep_impl<char>(locale_ref locale) -> thousands_sep_result<char>;
template auto decimal_point_impl<char>(locale_ref locale) -> char;
#if FMT_VERSION < 110000
template void vformat_to<char>(buffer<char>& out, basic_string_view<char> text,
                               basic_format_args<buffer_context<char>> arguments,
                               locale_ref locale);
#endif
}  // namespace detail
FMT_END_NAMESPACE
