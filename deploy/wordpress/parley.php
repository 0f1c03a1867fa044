<?php
/**
 * Plugin Name: Parley
 * Description: Sends each new comment with its post to a Parley server, and holds, marks or rejects it by the site's policy.
 * Version: 0.1.0
 * Requires PHP: 7.4
 * License: Apache-2.0
 * License URI: https://www.apache.org/licenses/LICENSE-2.0
 *
 * Apache-2.0 is compatible with version 3 of the GPL, and so with WordPress's "version 2 or later".
 *
 * Copy this file to wp-content/plugins, activate it, and put into wp-config.php:
 *
 *     define('PARLEY_URL', 'http://127.0.0.1:8000');
 *     define('PARLEY_KEY', 'parley_...');       // `parley keys create WordPress`
 *     define('PARLEY_POLICY', 'default');       // optional: the policy that decides; otherwise the server's
 *     define('PARLEY_ACT', 'hold');             // optional: `mark` only notes the decision on the comment
 *
 * `review` holds a comment for moderation, `reject` puts it into the trash. What WordPress or another plugin has
 * already held or marked as spam stays that way. If anything goes wrong, the comment is treated as if Parley weren't
 * there.
 */

if (!defined('ABSPATH')) {
    exit;
}

const PARLEY_SECONDS = 2;
const PARLEY_ARTICLE = 20000; // characters of the post that are sent

/** The request to /v1/classify for a comment: its text, its post, and the comment that it replies to. */
function parley_request(array $comment): array
{
    $sent = ['text' => wp_unslash((string) $comment['comment_content']), 'format' => 'html'];
    $post = get_post((int) ($comment['comment_post_ID'] ?? 0));
    if ($post) {
        $text = trim(wp_strip_all_tags(strip_shortcodes((string) $post->post_content)));
        $sent['article'] = array_filter([
            'id' => (string) $post->ID,
            'url' => (string) get_permalink($post),
            'title' => trim(wp_strip_all_tags((string) $post->post_title)),
            'text' => parley_cut($text, PARLEY_ARTICLE),
        ], 'strlen');
    }
    $parent = empty($comment['comment_parent']) ? null : get_comment((int) $comment['comment_parent']);
    if ($parent) {
        $sent['parent'] = ['id' => (string) $parent->comment_ID, 'text' => wp_strip_all_tags((string) $parent->comment_content)];
    }
    $body = ['comments' => [$sent]];
    if (defined('PARLEY_POLICY')) {
        $body['policy'] = PARLEY_POLICY;
    }
    return $body;
}

/** The first $characters of $text, never half a character. */
function parley_cut(string $text, int $characters): string
{
    return preg_match('/^.{0,' . $characters . '}/su', $text, $found) ? $found[0] : '';
}

/** Parley's result for a comment, or null if there is no answer or it can't be read. */
function parley_ask(array $comment): ?array
{
    if (!defined('PARLEY_URL') || trim((string) ($comment['comment_content'] ?? '')) === '') {
        return null;
    }
    $headers = ['Content-Type' => 'application/json'];
    if (defined('PARLEY_KEY')) {
        $headers['Authorization'] = 'Bearer ' . PARLEY_KEY;
    }
    $body = wp_json_encode(parley_request($comment));
    if ($body === false) {
        return null;
    }
    $answer = wp_remote_post(rtrim(PARLEY_URL, '/') . '/v1/classify', [
        'headers' => $headers,
        'body' => $body,
        'timeout' => PARLEY_SECONDS,
        'redirection' => 0,
    ]);
    if (is_wp_error($answer)) {
        error_log('Parley: ' . $answer->get_error_message());
        return null;
    }
    $status = (int) wp_remote_retrieve_response_code($answer);
    if ($status !== 200) {
        error_log("Parley: the server answered with status $status");
        return null;
    }
    $told = json_decode((string) wp_remote_retrieve_body($answer), true);
    $result = is_array($told) ? ($told['results'][0] ?? null) : null;
    return is_array($result) && isset($result['decision']['action']) ? $result : null;
}

/** Whether a comment is approved (1), held (0), or goes to 'trash'; $approved is what WordPress decided. */
function parley_decide($approved, array $comment)
{
    $GLOBALS['parley_result'] = null;
    if (($approved !== 1 && $approved !== '1') || user_can((int) ($comment['user_id'] ?? 0), 'moderate_comments')) {
        return $approved; // held, spam, trash or refused already; or written by a moderator
    }
    $result = parley_ask($comment);
    $GLOBALS['parley_result'] = $result;
    if ($result === null || (defined('PARLEY_ACT') && PARLEY_ACT === 'mark')) {
        return $approved;
    }
    switch ($result['decision']['action']) {
        case 'review':
            return 0;
        case 'reject':
            return 'trash';
        default:
            return $approved;
    }
}

/** Store the decision and its reasons with the comment, for moderators' plugins and queries. */
function parley_note($comment_id): void
{
    $result = $GLOBALS['parley_result'] ?? null;
    $GLOBALS['parley_result'] = null;
    if ($result === null) {
        return;
    }
    $reasons = [];
    foreach ((array) ($result['decision']['reasons'] ?? []) as $reason) {
        $reasons[] = (string) ($reason['detail'] ?? $reason['code'] ?? '');
    }
    add_comment_meta((int) $comment_id, 'parley_action', (string) $result['decision']['action'], true);
    add_comment_meta((int) $comment_id, 'parley_reasons', wp_slash(implode('; ', $reasons)), true);
}

/** Show moderators why a comment is held, under its text in the list of comments. */
function parley_show($text, $comment = null)
{
    if (!is_admin() || !$comment) {
        return $text;
    }
    $action = get_comment_meta((int) $comment->comment_ID, 'parley_action', true);
    if (!$action) {
        return $text;
    }
    $reasons = get_comment_meta((int) $comment->comment_ID, 'parley_reasons', true);
    return $text . '<p><em>Parley: ' . esc_html($action . ($reasons ? " ($reasons)" : '')) . '</em></p>';
}

add_filter('pre_comment_approved', 'parley_decide', 20, 2);
add_action('comment_post', 'parley_note', 10, 1);
add_filter('comment_text', 'parley_show', 20, 2);
