import { Component, type ReactNode, Suspense } from 'react';

import { GatewayError } from '../gateway/GatewayError';
import { ErrorNotice } from './ErrorNotice';

interface RegionProps {
  /** What is shown here. A change forgets the error: the new content may well be read. */
  subject: string | number;
  /** Whether newer content is being fetched. */
  isStale: boolean;
  onRetry: () => void;
  /** What stands here until the first content is there. */
  placeholder: ReactNode;
  children: ReactNode;
}

/** A part of the page that is fetched, and fails, by itself. */
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
