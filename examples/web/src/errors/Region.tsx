import { Component, type ReactNode, Suspense } from 'react';

import { GatewayError } from '../gateway/GatewayError';
import { ErrorNotice } from './ErrorNotice';

interface RegionProps {
  /** Identifies the content. A change clears the error, so that the new content is read. */
  subject: string | number;
  /** Whether newer content is being loaded. */
  isStale: boolean;
  onRetry: () => void;
  /** Shown until the first content is loaded. */
  placeholder: ReactNode;
  children: ReactNode;
}

/** A part of the page that loads and fails independently. */
export function Region({ subject, isStale, onRetry, placeholder, children }: RegionProps) {
  return (
    <div className="region" aria-busy={isStale}>
      <ErrorBoundary
        subject={subject}
        fallback={(error) => <ErrorNotice error={error} isBusy={isStale} onRetry={onRetry} />}
      >
        <Suspense fallback={placeholder}>{children}</Suspense>
      </ErrorBoundary>
    </div>
  );
}

interface BoundaryProps {
  subject: string | number;
  fallback: (error: GatewayError) => ReactNode;
  children: ReactNode;
}

interface BoundaryState {
  subject: string | number;
  error: GatewayError | undefined;
}

class ErrorBoundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { subject: this.props.subject, error: undefined };

  static getDerivedStateFromError(thrown: unknown): Partial<BoundaryState> {
    return { error: GatewayError.from(thrown) };
  }

  static getDerivedStateFromProps({ subject }: BoundaryProps, state: BoundaryState): BoundaryState | null {
    return subject === state.subject ? null : { subject, error: undefined };
  }

  override render() {
    const { error } = this.state;
    return error ? this.props.fallback(error) : this.props.children;
  }
}
