#include "flight/side_channel.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/numbers.h"
#include "flight/flight_recorder.h"

namespace valley {
namespace {

constexpr const char* kGreeting = "valley-monitor 1 ";
constexpr std::size_t kShortLine = 512;  // before a connection is authenticated

std::string hex(const unsigned char* bytes, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

// Takes the same time for any two texts of equal length.
bool equal_in_constant_time(const std::string& a, const std::string& b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::vector<std::string> split_words(const std::string& line) {
  std::vector<std::string> words;
  std::size_t start = 0;
  while (start <= line.size()) {
    const std::size_t end = std::min(line.find(' ', start), line.size());
    words.push_back(line.substr(start, end - start));
    start = end + 1;
  }
  return words;
}

void make_nonblocking(int descriptor) {
  fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL, 0) | O_NONBLOCK);
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

sockaddr_in address_of(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) address.sin_family = AF_UNSPEC;
  return address;
}

Socket listen_on(const std::string& host) {
  Socket socket(::socket(AF_INET, SOCK_STREAM, 0));
  const sockaddr_in address = address_of(host, 0);
  if (!socket.is_open() || address.sin_family != AF_INET ||
      bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(socket.get(), SOMAXCONN) != 0)
    return Socket();
  make_nonblocking(socket.get());
  return socket;
}

std::uint16_t port_of(const Socket& socket) {
  sockaddr_in address{};
  socklen_t length = sizeof(address);
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  return ntohs(address.sin_port);
}

Socket connect_to(const std::string& endpoint, double seconds) {
  const std::size_t colon = endpoint.rfind(':');
  if (colon == std::string::npos) return Socket();
  const auto port = parse_number<std::uint16_t>(std::string_view(endpoint).substr(colon + 1));
  if (!port) return Socket();
  const sockaddr_in address = address_of(endpoint.substr(0, colon), *port);
  if (address.sin_family != AF_INET) return Socket();
  Socket socket(::socket(AF_INET, SOCK_STREAM, 0));
  if (!socket.is_open()) return Socket();
  make_nonblocking(socket.get());
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
    return socket;
  if (errno != EINPROGRESS) return Socket();
  pollfd waiting{socket.get(), POLLOUT, 0};
  if (::poll(&waiting, 1, static_cast<int>(seconds * 1000)) != 1) return Socket();
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  return error == 0 ? std::move(socket) : Socket();
}

std::string client_proof(const std::string& token, const std::string& challenge,
                         const std::string& answer, int rank) {
  return hmac_sha256(token, fmt::format("client {} {} {}", challenge, answer, rank));
}

std::string server_proof(const std::string& token, const std::string& challenge,
                         const std::string& answer) {
  return hmac_sha256(token, fmt::format("server {} {}", answer, challenge));
}

// The next line within `seconds`; "" if there is none.
std::string wait_for_line(LineConnection& connection, double seconds) {
  const double end = monotonic_seconds() + seconds;
  while (connection.is_open()) {
    const double left = end - monotonic_seconds();
    if (left <= 0) return "";
    pollfd waiting{connection.descriptor(), POLLIN, 0};
    static_cast<void>(::poll(&waiting, 1, static_cast<int>(left * 1000) + 1));
    const std::vector<std::string> lines = connection.receive();
    if (!lines.empty()) return lines.front();
  }
  return "";
}

}  // namespace

std::string make_token() {
  std::array<unsigned char, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    throw Error(ExitCode::kIo, "the system gives no random numbers for the watchdog's token");
  return hex(bytes.data(), bytes.size());
}

std::string hmac_sha256(const std::string& key, const std::string& message) {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(),
       &size);
  return hex(digest.data(), size);
}

std::vector<std::string> own_addresses() {
  std::vector<std::string> found;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) == 0) {
    for (const ifaddrs* at = all; at != nullptr; at = at->ifa_next) {
      if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != AF_INET) continue;
      if ((at->ifa_flags & IFF_UP) == 0 || (at->ifa_flags & IFF_LOOPBACK) != 0) continue;
      char text[INET_ADDRSTRLEN] = {};
      const auto* address = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
      if (inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text)) != nullptr)
        found.emplace_back(text);
    }
    freeifaddrs(all);
  }
  found.emplace_back("127.0.0.1");
  return found;
}

Socket::~Socket() { close(); }

Socket::Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

void Socket::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void LineConnection::send(const std::string& line) {
  if (!is_open()) return;
  out_ += line + "\n";
  flush();
}

void LineConnection::flush() {
  while (is_open() && !out_.empty()) {
    const ssize_t n = ::send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
    if (n > 0) {
      out_.erase(0, static_cast<std::size_t>(n));
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      // A peer that does not read must not fill the memory.
      if (out_.size() > 4 * kMaxLine) close();
      return;
    } else {
      close();
    }
  }
}

void LineConnection::add_waits(std::vector<::pollfd>& waits) const {
  waits.push_back({socket_.get(), static_cast<short>(POLLIN | (out_.empty() ? 0 : POLLOUT)), 0});
}

std::vector<std::string> LineConnection::receive() {
  std::vector<std::string> lines;
  std::array<char, 16384> buffer{};
  while (is_open()) {
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n <= 0) {
      close();
      break;
    }
    in_.append(buffer.data(), static_cast<std::size_t>(n));
    std::size_t end = 0;
    while ((end = in_.find('\n')) != std::string::npos) {
      if (end > longest_) break;
      lines.push_back(in_.substr(0, end));
      in_.erase(0, end + 1);
    }
    if (in_.size() > longest_) close();
  }
  return lines;
}

WakeUp::WakeUp() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void WakeUp::call() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

void WakeUp::add_waits(std::vector<::pollfd>& waits) const {
  if (event_.is_open()) waits.push_back({event_.get(), POLLIN, 0});
}

void wait_for(std::vector<::pollfd>& waits, double seconds) {
  static_cast<void>(::poll(waits.data(), waits.size(), static_cast<int>(seconds * 1000)));
}

SideChannelServer::SideChannelServer(const std::vector<std::string>& addresses, std::string token,
                                     int ranks)
    : token_(std::move(token)), ranks_(ranks) {
  for (const std::string& address : addresses) {
    Socket socket = listen_on(address);
    if (socket.is_open()) listeners_.push_back({address, std::move(socket)});
  }
  if (listeners_.empty())
    throw Error(ExitCode::kRankLost,
                "the monitor of this job cannot listen on any address of its host: {}",
                std::strerror(errno));
}

std::vector<std::string> SideChannelServer::endpoints() const {
  std::vector<std::string> texts;
  for (const Listener& listener : listeners_)
    texts.push_back(fmt::format("{}:{}", listener.address, port_of(listener.socket)));
  return texts;
}

void SideChannelServer::accept_from(const Listener& listener) {
  while (true) {
    Socket socket(::accept(listener.socket.get(), nullptr, nullptr));
    if (!socket.is_open()) return;
    make_nonblocking(socket.get());
    if (strangers_.size() >= kMaxStrangers) {
      strangers_.erase(strangers_.begin());
      ++refused_;
    }
    strangers_.push_back({LineConnection(std::move(socket)), make_token(), monotonic_seconds()});
    strangers_.back().connection.limit_line(kShortLine);
    strangers_.back().connection.send(kGreeting + strangers_.back().challenge);
  }
}

// Reads the answers of strangers: members from here on, or closed.
void SideChannelServer::greet(std::vector<ChannelEvent>& events) {
  const double now = monotonic_seconds();
  for (auto at = strangers_.begin(); at != strangers_.end();) {
    const std::vector<std::string> lines = at->connection.receive();
    if (!lines.empty()) {
      const std::vector<std::string> words = split_words(lines.front());
      const auto rank = words.size() == 3 ? parse_number<int>(words[0]) : std::nullopt;
      if (rank && *rank >= 0 && *rank < ranks_ &&
          equal_in_constant_time(words[2], client_proof(token_, at->challenge, words[1], *rank))) {
        at->connection.send(server_proof(token_, at->challenge, words[1]));
        at->connection.limit_line(kMaxLine);
        members_.insert_or_assign(*rank, std::move(at->connection));
        events.push_back({ChannelEvent::Kind::kJoined, *rank, ""});
        at = strangers_.erase(at);
        continue;
      }
    }
    if (!lines.empty() || !at->connection.is_open() || now - at->since > kHandshakeSeconds) {
      ++refused_;
      at = strangers_.erase(at);
    } else {
      ++at;
    }
  }
}

void SideChannelServer::add_waits(std::vector<::pollfd>& waits) const {
  for (const Listener& listener : listeners_) waits.push_back({listener.socket.get(), POLLIN, 0});
  for (const Stranger& stranger : strangers_) stranger.connection.add_waits(waits);
  for (const auto& [rank, connection] : members_) connection.add_waits(waits);
}

std::vector<ChannelEvent> SideChannelServer::poll(double seconds) {
  std::vector<::pollfd> waits;
  add_waits(waits);
  wait_for(waits, seconds);

  std::vector<ChannelEvent> events;
  for (const Listener& listener : listeners_) accept_from(listener);
  greet(events);
  for (auto at = members_.begin(); at != members_.end();) {
    at->second.flush();
    for (std::string& line : at->second.receive())
      events.push_back({ChannelEvent::Kind::kLine, at->first, std::move(line)});
    if (at->second.is_open()) {
      ++at;
    } else {
      events.push_back({ChannelEvent::Kind::kClosed, at->first, ""});
      at = members_.erase(at);
    }
  }
  return events;
}

void SideChannelServer::send(int rank, const std::string& line) {
  if (const auto found = members_.find(rank); found != members_.end()) found->second.send(line);
}

void SideChannelServer::send_all(const std::string& line) {
  for (auto& [rank, connection] : members_) connection.send(line);
}

SideChannelClient::SideChannelClient(const std::vector<std::string>& endpoints,
                                     const std::string& token, int rank) {
  for (const std::string& endpoint : endpoints) {
    Socket socket = connect_to(endpoint, kHandshakeSeconds);
    if (!socket.is_open()) continue;
    auto connection = std::make_unique<LineConnection>(std::move(socket));
    const std::string greeting = wait_for_line(*connection, kHandshakeSeconds);
    if (!greeting.starts_with(kGreeting)) continue;
    const std::string challenge = greeting.substr(std::strlen(kGreeting));
    const std::string answer = make_token();
    connection->send(
        fmt::format("{} {} {}", rank, answer, client_proof(token, challenge, answer, rank)));
    const std::string proof = wait_for_line(*connection, kHandshakeSeconds);
    if (!equal_in_constant_time(proof, server_proof(token, challenge, answer))) continue;
    connection_ = std::move(connection);
    return;
  }
  throw Error(ExitCode::kRankLost, "the monitor of this job does not answer at any of {}",
              fmt::join(endpoints, ", "));
}

std::vector<std::string> SideChannelClient::poll(double seconds) {
  if (!is_open()) return {};
  std::vector<::pollfd> waits;
  add_waits(waits);
  wait_for(waits, seconds);
  connection_->flush();
  return connection_->receive();
}

void SideChannelClient::add_waits(std::vector<::pollfd>& waits) const {
  if (is_open()) connection_->add_waits(waits);
}

}  // namespace valley
